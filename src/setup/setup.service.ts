// When the setup runs: after the pool is open, before the server listens. A failure ends the start.
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { PriceImportService } from './price-import.service.js';
import { SchemaService } from './schema.service.js';
import { findPriceSource } from './vega-datasets.source.js';

@Injectable()
export class SetupService implements OnApplicationBootstrap {
  private readonly logger = new Logger('Setup');

  constructor(
    private readonly schema: SchemaService,
    private readonly prices: PriceImportService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const applied = await this.schema.migrate();
    if (applied.length > 0) this.logger.log(`schema brought to ${applied.at(-1)}`);
    await this.importPrices();
  }

  private async importPrices(): Promise<void> {
    const source = await findPriceSource();
    if (source === undefined) {
      this.logger.warn('no prices to import: the dev dependency vega-datasets is not installed');
      return;
    }
    const startedAtMs = performance.now();
    const rows = await this.prices.importOnce(source);
    if (rows === undefined) return;
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(2);
    this.logger.log(`${rows.toLocaleString('en')} prices of ${source.id} in ${seconds} s`);
  }
}
