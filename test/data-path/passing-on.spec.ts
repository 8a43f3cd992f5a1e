// Transactions that share a connection back to back: the next one begins behind the COMMIT of the last one.
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryTimeoutError } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('passing_on');
useLeakCheck({ database });

beforeAll(async () => {
  await database.sql(
    'create table entry (id int primary key, key int, constraint one_key unique (key) deferrable initially deferred)',
  );
  await database.sql('create table slow (id int primary key, seconds float8)');
  await database.sql(`create function nap() returns trigger language plpgsql as
    'begin perform pg_sleep(new.seconds); return null; end'`);
  // COMMIT runs it.
  await database.sql(`create constraint trigger nap after insert on slow
    deferrable initially deferred for each row execute function nap()`);
});
beforeEach(() => database.sql('truncate entry, slow'));

type Check = (app: DatabaseApp, proxy: FaultProxy) => Promise<void>;

async function onOneConnection(check: Check): Promise<void> {
  const proxy = await startFaultProxy({ targetPort: Number(new URL(database.url).port) });
  const app = await startDatabaseApp({
    url: proxy.url(database.url),
    pool: { max: 1, min: 1, statementTimeoutMs: 5_000 },
    // No probe: what passes the proxy is the test's.
    routing: { probeIntervalMs: 60_000 },
  });
  try {
    await app.db.query('select 1');
    await check(app, proxy);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the connection back' });
  } finally {
    await app.close();
    await proxy.stop();
  }
}

const insert = (app: DatabaseApp, id: number, key = id): Promise<unknown> =>
  app.db.transaction(() => app.db.query('insert into entry values ($1, $2)', [id, key]));
/** Its COMMIT takes this long. */
const commitSlowly = (app: DatabaseApp, seconds: number): Promise<unknown> =>
  app.db.transaction(() => app.db.query('insert into slow values (1, $1)', [seconds]));
const ids = async (): Promise<unknown[]> =>
  (await database.sql('select id from entry order by id')).map(({ id }) => id);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Waits until the server runs COMMIT. */
async function committing(): Promise<number> {
  let pid: unknown;
  await waitFor(
    async () => {
      const rows = await database.sql(
        `select pid from pg_stat_activity where datname = current_database() and query = 'COMMIT' and state = 'active'`,
      );
      pid = rows[0]?.['pid'];
      return pid !== undefined;
    },
    { describe: 'COMMIT to run' },
  );
  return pid as number;
}

describe('transactions that wait for one connection', () => {
  it('take one round trip each, and one for the last COMMIT', async () => {
    await onOneConnection(async (app, proxy) => {
      const before = proxy.counters.roundTrips;
      await Promise.all(numbers(10).map((n) => insert(app, n)));
      expect(await ids()).toEqual(numbers(10));
      // 20 without it.
      expect(proxy.counters.roundTrips - before).toBe(11);
    });
  });

  it('are those of other libraries, too', async () => {
    await onOneConnection(async (app, proxy) => {
      const byClient = async (n: number): Promise<string> => {
        const client = await app.pools.pgPool().connect();
        try {
          await client.query('begin');
          await client.query('insert into entry values ($1, $1)', [n]);
          const { command } = await client.query('commit');
          // One more on the same client, after its connection has gone to somebody else.
          await client.query('select 1');
          return command;
        } finally {
          client.release();
        }
      };
      const before = proxy.counters.roundTrips;
      const told = await Promise.all(numbers(10).map(byClient));
      expect(told).toEqual(numbers(10).map(() => 'COMMIT'));
      expect(await ids()).toEqual(numbers(10));
      // 30 without it: ten for BEGIN and INSERT, ten for COMMIT, ten for the last statement of each.
      expect(proxy.counters.roundTrips - before).toBeLessThanOrEqual(21);
    });
  });

  it('do not follow COMMIT AND CHAIN, which leaves a transaction open', async () => {
    await onOneConnection(async (app) => {
      const client = await app.pools.pgPool().connect();
      await client.query('begin');
      await client.query('insert into entry values (1, 1)');
      const chained = client.query('commit and chain');
      const next = insert(app, 3);
      await chained;
      await client.query('insert into entry values (2, 2)');
      await client.query('rollback');
      client.release();
      await next;
      expect(await ids()).toEqual([1, 3]);
    });
  });

  it('fail alone when their own COMMIT does', async () => {
    await onOneConnection(async (app) => {
      const ends = await Promise.allSettled(numbers(40).map((n) => insert(app, n, n % 30)));
      const committed = numbers(40).filter((n) => ends[n]?.status === 'fulfilled');
      expect(await ids()).toEqual(committed);
      expect(committed).toHaveLength(30);
      for (const end of ends) {
        if (end.status === 'rejected') expect(end.reason).toMatchObject({ sqlState: '23505' });
      }
    });
  });

  it('that give up while the COMMIT before them runs leave it alone', async () => {
    await onOneConnection(async (app) => {
      const first = commitSlowly(app, 0.6);
      const abort = new AbortController();
      const read = (options: object): Promise<unknown> =>
        app.db.transaction((tx) => tx.query('select pg_sleep(5)', [], options));
      const second = read({ timeoutMs: 200 });
      const outcome = second.catch((error: unknown) => error);
      await committing();
      expect(await outcome).toBeInstanceOf(QueryTimeoutError);
      await first;
      // And once more by a signal, with somebody else behind.
      await database.sql('truncate slow');
      const again = commitSlowly(app, 0.6);
      const third = read({ signal: abort.signal }).catch((error: unknown) => error);
      const fourth = insert(app, 4);
      await committing();
      abort.abort();
      expect(await third).toMatchObject({ code: 'DB_QUERY_ABORTED' });
      await Promise.all([again, fourth]);
      expect(await database.sql('select id from slow')).toHaveLength(1);
      expect(await ids()).toEqual([4]);
    });
  });

  it('run again when the backend dies under the COMMIT before them, which is in doubt', async () => {
    await onOneConnection(async (app) => {
      const first = commitSlowly(app, 5).catch((error: unknown) => error);
      let runs = 0;
      const second = app.db.transaction(() => {
        runs++;
        return app.db.query('insert into entry values (2, 2)');
      });
      const pid = await committing();
      await database.sql('select pg_terminate_backend($1)', [pid]);
      expect(await first).toMatchObject({ code: 'DB_IN_DOUBT' });
      await second;
      expect(runs).toBe(2);
      expect(await ids()).toEqual([2]);
      expect(await database.sql('select id from slow')).toEqual([]);
    });
  });

  it('are served in turn with statements in autocommit', async () => {
    await onOneConnection(async (app) => {
      const alone = (n: number): Promise<unknown> =>
        app.db.query('insert into entry values ($1, $1)', [n]);
      await Promise.all(numbers(30).map((n) => (n % 3 === 0 ? alone(n) : insert(app, n))));
      expect(await ids()).toEqual(numbers(30));
    });
  });
});
