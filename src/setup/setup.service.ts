// When the setup runs: after the pool is open, before the server listens. A failure ends the start.
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { PriceImportService } from './price-import.service.js';
import { SchemaService } from './schema.service.js';

@Injectable()
export class SetupService implements OnApplicationBootstrap {
  private readonly logger = new Logger('Setup');

  constructor(
    private readonly schema: SchemaService,
    private readonly prices: PriceImportService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const applied = await this.schema.migrate();
    if (applied.length > 0) this.logger.log(`schema: applied ${applied.join(', ')}`);
    await this.prices.importMissing();
  }
}
