// What the facade of the pool does better than `pg.Pool`: clean connections, clear errors, nothing lost or left.
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  InDoubtError,
  PoolDeadlockError,
  PoolTimeoutError,
  QueryError,
  QueryTimeoutError,
  ShutdownError,
  UniqueViolationError,
  UsageError,
} from 'nestjs-database';
import type { DatabaseModuleOptions, PgPool, PgPoolClient } from 'nestjs-database';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('pg_pool');
let started: DatabaseApp | undefined;
let proxy: FaultProxy | undefined;

beforeAll(async () => {
  await database.sql('create table item (id int primary key)');
});
afterEach(async () => {
  await started?.close();
  started = undefined;
  await proxy?.stop();
  proxy = undefined;
  await database.sql('truncate item');
});
useLeakCheck({ database });

async function start(options: DatabaseModuleOptions = {}): Promise<DatabaseApp> {
  started = await startDatabaseApp({ url: database.url, pool: { max: 4, min: 0 }, ...options });
  return started;
}

async function startBehindProxy(pool: DatabaseModuleOptions['pool']): Promise<DatabaseApp> {
  proxy = await startFaultProxy({ targetPort: Number(new URL(database.url).port) });
  return start({ url: proxy.url(database.url), pool: { max: 4, min: 0, ...pool } });
}

const PID = 'select pg_backend_pid() as pid';

async function pidOf(asked: Pick<PgPool, 'query'> | PgPoolClient): Promise<number> {
  return (await (asked as PgPool).query<{ pid: number }>(PID)).rows[0]?.pid ?? 0;
}

describe('a connection', () => {
  it('outlives the errors of its statements', async () => {
    const { pools } = await start({ pool: { max: 1, min: 1 } });
    const pool = pools.pgPool();
    const before = await pidOf(pool);
    for (const text of ['selec', 'select 1/0', 'select $1::int']) {
      await failure(pool.query(text), QueryError);
    }
    const client = await pool.connect();
    await client.query({ name: 'one', text: 'select 1' });
    await failure(client.query({ name: 'one', text: 'select 2' }), QueryError);
    const types = {
      getTypeParser: () => () => {
        throw new Error('a parser that throws');
      },
    };
    await failure(client.query({ text: 'select 1', types }), QueryError);
    const error = await failure(client.query('select 1/0'), QueryError);
    client.release(error);
    expect(await pidOf(pool)).toBe(before);
    expect(pools.stats()[0]).toMatchObject({ opened: 1, closed: 0 });
  });

  it('is given up when its client says so', async () => {
    const { pools } = await start({ pool: { max: 1, min: 0 } });
    const pool = pools.pgPool();
    const client = await pool.connect();
    const before = await pidOf(client);
    client.release(true);
    expect(await pidOf(pool)).not.toBe(before);
  });

  it('never hands an open transaction on', async () => {
    const app = await start({ pool: { max: 1, min: 0 } });
    const dirty = app.record('lease:dirty');
    const pool = app.pools.pgPool();
    const client = await pool.connect();
    await client.query('begin');
    await client.query('insert into item values (1)');
    client.release();
    const next = await pool.connect();
    expect(await pidOf(next)).toBe(client.processID);
    expect(next.getTransactionStatus()).toBe('I');
    expect((await next.query('select * from item')).rows).toEqual([]);
    next.release();
    expect(dirty).toHaveLength(1);
    expect(await database.sql('select * from item')).toEqual([]);
  });

  it('is not reached by a client after its release, whoever has it', async () => {
    const { pools } = await start({ pool: { max: 1, min: 0 } });
    const pool = pools.pgPool();
    const stale = await pool.connect();
    const busy = stale.query('select pg_sleep(0.1)');
    const waiting = failure(stale.query('insert into item values (1)'), UsageError);
    stale.release();
    const next = await pool.connect();
    await failure(stale.query('insert into item values (2)'), UsageError);
    expect(() => stale.release()).toThrow(UsageError);
    const cursor = stale.query(new Cursor('select 1'));
    await expect(cursor.read(1)).rejects.toThrow('after its release');
    next.release();
    await busy;
    await waiting;
    expect(await database.sql('select * from item')).toEqual([]);
  });

  it('comes back from a cursor that was left open', async () => {
    const app = await start({ pool: { max: 1, min: 0 } });
    const pool = app.pools.pgPool();
    const client = await pool.connect();
    const cursor = client.query(new Cursor('select * from generate_series(1, 100000)'));
    await cursor.read(10);
    client.release();
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await expect(cursor.read(10)).rejects.toThrow();
  });
});

describe('many callers', () => {
  it('1,000 at the same time are served by 5 connections', async () => {
    const { pools } = await start({ pool: { max: 5, min: 0 } });
    const pool = pools.pgPool();
    const pids = new Set<number>();
    const asking = Array.from({ length: 1_000 }, async (_, n) => {
      if (n % 2 === 0) return pids.add(await pidOf(pool));
      const client = await pool.connect();
      try {
        return pids.add(await pidOf(client));
      } finally {
        client.release();
      }
    });
    // A client waits from its first statement on.
    await new Promise((resolve) => setImmediate(resolve));
    expect(pool.waitingCount).toBeGreaterThan(900);
    await Promise.all(asking);
    expect(pids.size).toBeLessThanOrEqual(5);
    expect(pool).toMatchObject({ idleCount: pool.totalCount, waitingCount: 0 });
  });

  it('wait for a client no longer than the pool allows', async () => {
    const { pools } = await start({ pool: { max: 1, min: 1, acquireTimeoutMs: 300 } });
    const pool = pools.pgPool();
    const client = await pool.connect();
    await client.query('begin');
    const waiting = await pool.connect();
    const error = await failure(waiting.query('begin'), PoolTimeoutError);
    expect(error.code).toBe('DB_POOL_TIMEOUT');
    waiting.release();
    client.release();
  });
});

describe('pool.query() in a hook, while the code around it holds a connection', () => {
  it('fails at once where it could never get one', async () => {
    const { db, pools, record } = await start({
      pool: { max: 1, min: 1, acquireTimeoutMs: 5_000 },
    });
    const failed = record('transaction:hook-failed');
    const told = record('lease:nested');
    const startedAtMs = performance.now();
    await db.session(() =>
      db.transaction(async (tx) => {
        await tx.query('select 1');
        tx.afterCommit(async () => void (await pools.pgPool().query('select 1')));
      }),
    );
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    expect(failed).toEqual([{ error: expect.any(PoolDeadlockError) }]);
    expect(told).toEqual([expect.objectContaining({ waits: true })]);
    expect(await db.one('select 1 as one')).toEqual({ one: 1 });
  });

  it('goes before those who hold none, for they may wait for it', async () => {
    const { db, pools } = await start({ pool: { max: 2, min: 2 } });
    const order: string[] = [];
    let isInside = false;
    const others = waitFor(() => isInside, { describe: 'the inner transaction' }).then(() => {
      const asked = [1, 2, 3].map(() => db.query('select pg_sleep(0.1)'));
      return Promise.all(asked.map((query) => query.then(() => order.push('other'))));
    });
    const inner = (): Promise<void> =>
      db.transaction(
        async (tx) => {
          await tx.query('select 1');
          isInside = true;
          await waitFor(() => pools.stats()[0]?.waiting === 3, { describe: 'others to wait' });
          tx.afterCommit(async () => {
            await pools.pgPool().query('select 1');
            order.push('hook');
          });
        },
        { propagation: 'requires-new' },
      );
    await db.transaction((tx) => tx.query('select 1').then(inner));
    await others;
    // The first one has got the connection of the inner transaction when the hook asks.
    expect(order[1]).toBe('hook');
  });
});

describe('an error', () => {
  it('is of our class, and has the code of PostgreSQL', async () => {
    const app = await start();
    const done = app.record('query:done');
    const pool = app.pools.pgPool();
    await pool.query('insert into item values (1)');
    const error = await failure(pool.query('insert into item values (1)'), UniqueViolationError);
    expect(error).toMatchObject({
      name: 'UniqueViolationError',
      code: '23505',
      sqlState: '23505',
      constraint: 'item_pkey',
      routine: '_bt_check_unique',
      safeToRetry: false,
    });
    expect(app.retry.classify(error)).toEqual({ retry: 'no', outage: false, safeToRetry: false });
    expect(done.at(-1)).toMatchObject({ errorCode: 'DB_UNIQUE_VIOLATION', outcome: 'error' });
    // The errors of DatabaseService stay as they are.
    const own = await failure(app.db.query('insert into item values (1)'), UniqueViolationError);
    expect(own.code).toBe('DB_UNIQUE_VIOLATION');
  });

  it('of the network has the code of the network', async () => {
    const { pools } = await startBehindProxy({});
    await proxy?.setMode('refuse');
    proxy?.killAll();
    const client = await pools.pgPool().connect();
    const error = await failure(client.query('begin'), ConnectionError);
    client.release();
    expect(error).toMatchObject({ code: 'ECONNREFUSED', safeToRetry: true });
  });

  it('of a statement that takes too long comes in time, and the statement ends', async () => {
    const { pools } = await start({ pool: { max: 1, min: 0, statementTimeoutMs: 200 } });
    const pool = pools.pgPool();
    await failure(pool.query('select pg_sleep(10)'), QueryTimeoutError);
    // The connection is free again once the server has let go of the statement.
    await pool.query('select 1');
    const config = { text: 'select pg_sleep(10)', query_timeout: 150 };
    await failure(pool.query(config), QueryTimeoutError);
    const client = await pool.connect();
    await failure(client.query(config), QueryTimeoutError);
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    client.release();
  });

  it('of a COMMIT without an answer says that nobody knows', async () => {
    const { pools } = await startBehindProxy({ statementTimeoutMs: 300 });
    const client = await pools.pgPool().connect();
    await client.query('begin');
    await client.query('insert into item values (1)');
    await proxy?.setMode('drop-responses');
    await failure(client.query('commit'), InDoubtError);
    client.release();
    proxy?.killAll();
  });

  it('refuses what is not offered, instead of leaving it out', async () => {
    const { pools } = await start();
    const pool = pools.pgPool();
    for (const key of ['binary', 'rows', 'portal', 'queryMode']) {
      await failure(pool.query({ text: 'select 1', [key]: 'x' }), UsageError);
    }
    await failure(pool.query('begin'), UsageError);
    await failure(pool.query(new Cursor('select 1') as never), UsageError);
  });
});

it('passes for a pg.Pool where a library asks for one', async () => {
  const { pools } = await start();
  const pool = pools.pgPool();
  expect(pool).toBeInstanceOf(pg.Pool);
  expect(Object.getPrototypeOf(pool).constructor.name).toBe('PgPool');
  const own = Object.getOwnPropertyNames(Object.getPrototypeOf(pool));
  const ofPg = Object.getOwnPropertyNames(Object.getPrototypeOf(pg.Pool.prototype));
  expect(own).toEqual(
    expect.arrayContaining(ofPg.filter((name) => !name.startsWith('_') && name !== 'newClient')),
  );
});

describe('the end', () => {
  it('is the affair of the module: end() closes nothing', async () => {
    const { pools } = await start();
    const pool = pools.pgPool();
    await pool.end();
    await new Promise<void>((resolve) => pool.end(() => resolve()));
    expect(pool).toMatchObject({ ending: false, ended: false });
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    expect(pools.pgPool()).toBe(pool);
  });

  it('of the application is a ShutdownError from then on', async () => {
    const app = await start();
    const pool = app.pools.pgPool();
    await pool.query('select 1');
    await app.close();
    expect(pool).toMatchObject({ ending: true, ended: true, totalCount: 0 });
    await failure(pool.query('select 1'), ShutdownError);
    await failure(pool.connect(), ShutdownError);
  });

  it('waits for a client that is still out', async () => {
    const app = await start();
    const client = await app.pools.pgPool().connect();
    await client.query('begin');
    const closing = app.close();
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await client.query('commit');
    client.release();
    await closing;
  });
});

describe('pgPool("replica")', () => {
  const ASK = 'select pg_is_in_recovery() as replica';

  it('asks a replica, and the primary when none is usable', async () => {
    proxy = await startFaultProxy({ targetPort: Number(new URL(database.replicaUrl).port) });
    const app = await start({
      replicas: [proxy.url(database.replicaUrl)],
      routing: { probeIntervalMs: 100 },
    });
    const pool = app.pools.pgPool('replica');
    await waitFor(async () => (await pool.query(ASK)).rows[0]?.['replica'], {
      describe: 'the replica to answer',
    });
    const client = await pool.connect();
    expect((await client.query(ASK)).rows).toEqual([{ replica: true }]);
    client.release();
    expect((await app.pools.pgPool().query(ASK)).rows).toEqual([{ replica: false }]);
    await proxy.setMode('refuse');
    proxy.killAll();
    expect((await pool.query(ASK)).rows).toEqual([{ replica: false }]);
    const other = await pool.connect();
    expect((await other.query(ASK)).rows).toEqual([{ replica: false }]);
    other.release();
  });

  it('is the primary where there is no replica', async () => {
    const { pools } = await start();
    const pool = pools.pgPool('replica');
    expect((await pool.query(ASK)).rows).toEqual([{ replica: false }]);
    expect(pool.totalCount).toBe(1);
  });
});
