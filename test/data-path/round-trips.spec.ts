// What a transaction costs on the wire: how often its caller waits for the server.
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TransactionOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('round_trips');
useLeakCheck({ database });

beforeAll(() => database.sql('create table entry (id int primary key)'));
beforeEach(() => database.sql('truncate entry'));

/** An application whose only connection leads through a proxy and is open. */
async function onOneConnection(
  check: (app: DatabaseApp, proxy: FaultProxy) => Promise<void>,
): Promise<void> {
  const { port } = new URL(database.url);
  const proxy = await startFaultProxy({ targetPort: Number(port) });
  const app = await startDatabaseApp({
    url: proxy.url(database.url),
    pool: { max: 1, min: 1, statementTimeoutMs: 700 },
    // No probe: what passes the proxy is the test's.
    routing: { probeIntervalMs: 60_000 },
  });
  try {
    await app.db.query('select 1');
    await app.db.transaction(() => app.db.query('select 1'), { readOnly: true });
    await back(app);
    await check(app, proxy);
  } finally {
    await app.close();
    await proxy.stop();
  }
}

/** Waits until the connection is in the pool. */
const back = (app: DatabaseApp): Promise<unknown> =>
  waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the connection to return' });

describe('a transaction', () => {
  it.each<[string, TransactionOptions, string[], number]>([
    ['of no statement', {}, [], 0],
    ['of one statement', {}, ['insert into entry values (1)'], 2],
    [
      'of two statements',
      {},
      ['insert into entry values (1)', 'insert into entry values (2)'],
      3,
    ],
    ['that reads only', { readOnly: true }, ['select 1'], 2],
  ])('%s makes its round trips and no more', async (_, options, texts, trips) => {
    await onOneConnection(async ({ db, ...app }, proxy) => {
      const before = proxy.counters.roundTrips;
      await db.transaction(async () => {
        for (const text of texts) await db.query(text);
      }, options);
      await back({ db, ...app });
      expect(proxy.counters.roundTrips - before).toBe(trips);
    });
  });

  it('that reads only has its answer though COMMIT never gets one, and costs that connection', async () => {
    await onOneConnection(async (app, proxy) => {
      const struck = proxy.strikeOn('COMMIT', 'drop-responses');
      const work = () => app.db.query<{ one: number }>('select 1 as one');
      const { rows } = await app.db.transaction(work, { readOnly: true });
      expect(rows).toEqual([{ one: 1 }]);
      await struck;
      await waitFor(() => app.pools.stats()[0]?.closed === 1, {
        describe: 'the connection to be given up',
      });
      await proxy.setMode('pass');
      expect(await app.db.one('select 2 as two')).toEqual({ two: 2 });
    });
  });

  it('that reads only and is serializable awaits it', async () => {
    await onOneConnection(async (app, proxy) => {
      const struck = proxy.strikeOn('COMMIT', 'drop-responses');
      const options = { readOnly: true, isolation: 'serializable', retries: 0 } as const;
      const reading = app.db.transaction(() => app.db.query('select 1'), options);
      await expect(reading).rejects.toMatchObject({ code: 'DB_QUERY_TIMEOUT' });
      await struck;
      proxy.killAll();
      await proxy.setMode('pass');
    });
  });
});
