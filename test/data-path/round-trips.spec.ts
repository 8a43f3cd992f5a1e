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
    ['of two statements', {}, ['insert into entry values (1)', 'insert into entry values (2)'], 3],
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

  it.each<[string, string[], string[], number]>([
    ['of no statement', ['BEGIN', 'COMMIT'], ['BEGIN', 'COMMIT'], 0],
    [
      'that is rolled back before its first statement',
      ['BEGIN', 'ROLLBACK'],
      ['BEGIN', 'ROLLBACK'],
      0,
    ],
    [
      'of one statement',
      ['START TRANSACTION', 'insert into entry values (1)', 'COMMIT'],
      ['START', 'INSERT', 'COMMIT'],
      2,
    ],
    [
      'of two, the first of which sets its isolation',
      [
        'begin',
        'set transaction isolation level serializable',
        'insert into entry values (1)',
        'rollback',
      ],
      ['BEGIN', 'SET', 'INSERT', 'ROLLBACK'],
      3,
    ],
  ])(
    'of another library, %s, makes its round trips and no more',
    async (_, texts, commands, trips) => {
      await onOneConnection(async ({ pools, ...app }, proxy) => {
        const client = await pools.pgPool().connect();
        const before = proxy.counters.roundTrips;
        const told: string[] = [];
        for (const text of texts) told.push((await client.query(text)).command);
        expect(told).toEqual(commands);
        expect(client.getTransactionStatus()).toBe('I');
        client.release();
        await back({ pools, ...app });
        expect(proxy.counters.roundTrips - before).toBe(trips);
      });
    },
  );

  it('of another library whose first statement fails is a failed one', async () => {
    await onOneConnection(async ({ pools, db, ...app }) => {
      const client = await pools.pgPool().connect();
      await client.query('begin');
      expect(client.getTransactionStatus()).toBe('T');
      await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
      expect(client.getTransactionStatus()).toBe('E');
      await expect(client.query('insert into entry values (9)')).rejects.toMatchObject({
        code: '25P02',
      });
      expect((await client.query('commit')).command).toBe('ROLLBACK');
      client.release();
      expect((await db.query('select 1 from entry')).rows).toEqual([]);
      await back({ pools, db, ...app });
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
