// Imports the prices once per version of their source: COPY into a staging table, then one upsert, all or nothing.
import { Injectable } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';
import { ProgressView } from '../terminal/progress.view.js';
import {
  CREATE_STAGING,
  FIND_IMPORT,
  MERGE_STAGING,
  RECORD_IMPORT,
  UPSERT_INSTRUMENT,
} from './price-import.sql.js';
import { SETUP_LOCK, SETUP_TIMEOUT_MS } from './setup-lock.js';
import { INSTRUMENTS, type PriceRow, type PriceSource } from './vega-datasets.source.js';

@Injectable()
export class PriceImportService {
  constructor(private readonly db: DatabaseService) {}

  /** Gives the number of rows imported; undefined when this version of the source was imported before. */
  importOnce(source: PriceSource): Promise<number | undefined> {
    const work = (): Promise<number | undefined> => this.importMissing(source);
    return this.db.transaction(work, { timeoutMs: SETUP_TIMEOUT_MS });
  }

  private async importMissing(source: PriceSource): Promise<number | undefined> {
    await this.db.query(SETUP_LOCK, [], { timeoutMs: SETUP_TIMEOUT_MS });
    const { rowCount } = await this.db.query(FIND_IMPORT, [source.id]);
    if (rowCount > 0) return undefined;
    for (const { symbol, name, kind, resolution } of INSTRUMENTS) {
      await this.db.query(UPSERT_INSTRUMENT, [symbol, name, kind, resolution]);
    }
    await this.db.query(CREATE_STAGING);
    const rows = await this.copyToStaging(source);
    await this.db.query(MERGE_STAGING);
    await this.db.query(RECORD_IMPORT, [source.id, rows]);
    return rows;
  }

  private async copyToStaging(source: PriceSource): Promise<number> {
    const progress = new ProgressView('importing prices', source.totalBytes);
    const watched = async function* (): AsyncGenerator<PriceRow> {
      let rows = 0;
      let bytes = 0;
      for await (const row of source.rows((length) => (bytes += length))) {
        progress.show(bytes, `${(++rows).toLocaleString('en')} rows`);
        yield row;
      }
    };
    try {
      return await this.db.copyFrom('incoming_prices', watched());
    } finally {
      progress.clear();
    }
  }
}
