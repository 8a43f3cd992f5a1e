// Imports the prices once per version of their source: COPY into a staging table, then one upsert, all or nothing.
import { Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';
import { ProgressView } from '../terminal/progress.view.js';
import { CREATE_STAGING, FIND_IMPORT, MERGE_STAGING, RECORD_IMPORT, UPSERT_INSTRUMENT } from './price-import.sql.js';
import { SETUP_LOCK, SETUP_TIMEOUT_MS } from './setup-lock.js';
import { findPriceSource, INSTRUMENTS, type PriceRow, type PriceSource } from './vega-datasets.source.js';

@Injectable()
export class PriceImportService {
  private readonly logger = new Logger('Setup');

  constructor(private readonly db: DatabaseService) {}

  /** Imports what this version of the source has, unless that was done before. Gives the number of imported rows. */
  async importMissing(): Promise<number> {
    const source = await findPriceSource();
    if (source === undefined) {
      this.logger.warn('no prices to import: the dev dependency vega-datasets is not installed');
      return 0;
    }
    return this.db.transaction(() => this.importOnce(source), { timeoutMs: SETUP_TIMEOUT_MS });
  }

  private async importOnce(source: PriceSource): Promise<number> {
    await this.db.query(SETUP_LOCK);
    const { rowCount } = await this.db.query(FIND_IMPORT, [source.id]);
    if (rowCount > 0) return 0;
    for (const { symbol, name, kind, resolution } of INSTRUMENTS) {
      await this.db.query(UPSERT_INSTRUMENT, [symbol, name, kind, resolution]);
    }
    await this.db.query(CREATE_STAGING);
    const rows = await this.copy(source);
    await this.db.query(MERGE_STAGING);
    await this.db.query(RECORD_IMPORT, [source.id, rows]);
    return rows;
  }

  private async copy(source: PriceSource): Promise<number> {
    const progress = new ProgressView(`importing prices of ${source.id}`, source.totalBytes);
    let rows = 0;
    let bytes = 0;
    const counted = async function* (): AsyncGenerator<PriceRow> {
      for await (const row of source.rows((length) => (bytes += length))) {
        rows++;
        progress.show(bytes, `${rows.toLocaleString('en')} rows`);
        yield row;
      }
    };
    try {
      await this.db.copyFrom('incoming_prices', counted());
      progress.finish(`${rows.toLocaleString('en')} rows`);
      return rows;
    } catch (error) {
      progress.fail();
      throw error;
    }
  }
}
