// What the app does to its database when it starts: schema and prices, once, all or nothing.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PriceImportService } from '../../src/setup/price-import.service.js';
import type { PriceRow, PriceSource } from '../../src/setup/vega-datasets.source.js';
import type { RunningServer } from '../../src/server.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { startApp } from './market-app.js';

let database: TestDatabase;
const servers: RunningServer[] = [];

async function start(): Promise<RunningServer> {
  const server = await startApp(database.url);
  servers.push(server);
  return server;
}

beforeEach(async () => {
  database = await createTestDatabase('setup');
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map(({ app }) => app.close()));
  await database.drop();
});

const source = (id: string, rows: () => Iterable<PriceRow>): PriceSource => ({
  id,
  totalBytes: 1,
  async *rows() {
    yield* rows();
  },
});

const count = async (): Promise<number> => {
  const [row] = await database.sql<{ count: number }>('select count(*)::int from prices');
  return row?.count ?? 0;
};

describe('the first start', () => {
  it('imports every price of the package, unchanged', async () => {
    await start();
    const counts = await database.sql(
      'select symbol, count(*)::int, min(day)::text, max(day)::text from prices group by 1 order by 1',
    );
    const monthly = { count: 123, min: '2000-01-01', max: '2010-03-01' };
    expect(counts).toEqual([
      { symbol: 'AAPL', ...monthly },
      { symbol: 'AMZN', ...monthly },
      { symbol: 'GOOG', ...monthly, count: 68, min: '2004-08-01' },
      { symbol: 'IBM', ...monthly },
      { symbol: 'MSFT', ...monthly },
      { symbol: 'SP500', count: 5_105, min: '2000-01-03', max: '2020-04-17' },
    ]);
    const [crash] = await database.sql(
      `select open, high, low, close, volume from prices where symbol = 'SP500' and day = '2008-10-13'`,
    );
    expect(crash).toEqual({
      open: '912.75',
      high: '1006.929993',
      low: '912.75',
      close: '1003.349976',
      volume: '7263370000',
    });
  });

  it('is done once when two instances start at the same moment', async () => {
    await Promise.all([start(), start()]);
    expect(await count()).toBe(5_665);
    expect(await database.sql('select rows from imports')).toEqual([{ rows: 5_665 }]);
  });
});

describe('the second start', () => {
  it('neither migrates nor imports again', async () => {
    const first = await start();
    await first.app.close();
    const before = await database.sql('select * from imports, schema_migrations order by id');
    // A second import would put this price right again.
    await database.sql(
      `update prices set close = 1, low = 1 where symbol = 'SP500' and day = '2020-04-17'`,
    );
    await start();
    expect(await database.sql('select * from imports, schema_migrations order by id')).toEqual(
      before,
    );
    const [last] = await database.sql(
      `select close from prices where symbol = 'SP500' and day = '2020-04-17'`,
    );
    expect(last).toEqual({ close: '1' });
  });
});

describe('an import', () => {
  it('leaves nothing behind when its source breaks half way', async () => {
    const imports = (await start()).app.get(PriceImportService);
    const broken = source('broken', function* () {
      yield ['IBM', '2011-01-01', null, null, null, '150', null];
      throw new Error('the disk is gone');
    });
    await expect(imports.importOnce(broken)).rejects.toThrow('the disk is gone');
    expect(await count()).toBe(5_665);
    expect(await database.sql(`select from imports where source = 'broken'`)).toEqual([]);
  });

  it('leaves nothing behind when a price is impossible', async () => {
    const imports = (await start()).app.get(PriceImportService);
    const wrong = source('wrong', () => [
      ['IBM', '2011-01-01', null, null, null, '150', null],
      ['IBM', '2011-02-01', null, null, null, '-1', null],
    ]);
    await expect(imports.importOnce(wrong)).rejects.toMatchObject({ code: 'DB_CHECK_VIOLATION' });
    expect(await count()).toBe(5_665);
  });

  it('of a newer version corrects and adds', async () => {
    const imports = (await start()).app.get(PriceImportService);
    const newer = source('newer', () => [
      ['IBM', '2010-03-01', null, null, null, '125.56', null],
      ['IBM', '2010-04-01', null, null, null, '130', null],
    ]);
    expect(await imports.importOnce(newer)).toBe(2);
    expect(await count()).toBe(5_666);
    const rows = await database.sql(
      `select close from prices where symbol = 'IBM' and day >= '2010-03-01' order by day`,
    );
    expect(rows).toEqual([{ close: '125.56' }, { close: '130' }]);
  });
});
