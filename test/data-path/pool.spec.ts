// Who gets a connection, who waits, who is sent away, and what a connection is like when it is handed on.
import { afterEach, describe, expect, it } from '@jest/globals';
import { PoolOverloadedError, PoolTimeoutError, ShutdownError } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('pool');
let started: DatabaseApp | undefined;
afterEach(async () => {
  await started?.close();
  started = undefined;
});
useLeakCheck({ database });

async function start(pool: DatabaseModuleOptions['pool']): Promise<DatabaseApp> {
  started = await startDatabaseApp({ url: database.url, pool });
  return started;
}

const figures = ({ pools }: DatabaseApp) => pools.stats()[0];
const sleeping = (app: DatabaseApp, seconds: number): Promise<unknown> =>
  app.db.query('select pg_sleep($1)', [seconds]);

describe('size', () => {
  it('is warmed to min without anybody asking', async () => {
    const app = await start({ max: 8, min: 5 });
    await waitFor(() => app.pools.stats()[0]?.idle === 5, { describe: 'five warm connections' });
  });

  it('never goes beyond max, and everybody is served', async () => {
    const app = await start({ max: 5, min: 0 });
    let most = 0;
    const watch = async (): Promise<void> => {
      await sleeping(app, 0.002);
      most = Math.max(most, app.pools.stats()[0]?.total ?? 0);
    };
    await Promise.all(Array.from({ length: 500 }, watch));
    expect(most).toBe(5);
    const [row] = await database.sql<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'nestjs-database'`,
    );
    expect(row?.n).toBeLessThanOrEqual(6);
  });

  it('shrinks to min when nobody works', async () => {
    const app = await start({ max: 6, min: 1, idleTimeoutMs: 100 });
    await Promise.all(Array.from({ length: 6 }, () => sleeping(app, 0.05)));
    await waitFor(() => app.pools.stats()[0]?.total === 1, { describe: 'the spare ones to close' });
  });

  it('replaces connections that reached their lifetime', async () => {
    const app = await start({ max: 1, min: 1, maxLifetimeMs: 300 });
    const pid = async (): Promise<number> =>
      (await app.db.one<{ pid: number }>('select pg_backend_pid() as pid')).pid;
    const first = await pid();
    await waitFor(async () => (await pid()) !== first, { describe: 'another backend' });
  });
});

describe('waiting', () => {
  it('ends after acquireTimeoutMs with the figures of the pool', async () => {
    const app = await start({ max: 1, min: 1, acquireTimeoutMs: 150 });
    const holder = sleeping(app, 1);
    const error = await failure(sleeping(app, 0), PoolTimeoutError);
    expect(error).toMatchObject({
      code: 'DB_POOL_TIMEOUT',
      safeToRetry: true,
      pool: { leased: 1, max: 1 },
    });
    expect(error.waitedMs).toBeGreaterThanOrEqual(149);
    expect(error.retryAfterMs).toBeGreaterThan(0);
    await holder;
  });

  it('is refused at once when the queue is full', async () => {
    const app = await start({ max: 1, min: 1, maxWaiting: 2 });
    await waitFor(() => app.pools.stats()[0]?.idle === 1, { describe: 'the warm connection' });
    const first = [sleeping(app, 0.3), sleeping(app, 0), sleeping(app, 0)];
    const error = await failure(sleeping(app, 0), PoolOverloadedError);
    expect(error).toMatchObject({ code: 'DB_POOL_OVERLOADED', pool: { waiting: 2 } });
    await Promise.all(first);
  });

  it('of nobody still lets the pool grow to its max', async () => {
    const app = await start({ max: 3, min: 0, maxWaiting: 0 });
    await Promise.all([sleeping(app, 0.2), sleeping(app, 0.2), sleeping(app, 0.2)]);
    expect(app.pools.stats()[0]).toMatchObject({ total: 3, refused: 0 });
  });

  it('is fair: first come, first served', async () => {
    const app = await start({ max: 1, min: 1 });
    const order: number[] = [];
    const jobs = Array.from({ length: 20 }, (_, i) =>
      app.db.query('select 1').then(() => order.push(i)),
    );
    await Promise.all(jobs);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  it('ends early for a caller who leaves, and costs the others nothing', async () => {
    const app = await start({ max: 1, min: 1 });
    const holder = sleeping(app, 0.3);
    const controller = new AbortController();
    const leaving = app.db.query('select 1', [], { signal: controller.signal });
    const staying = app.db.one('select 2 as two');
    controller.abort();
    await expect(leaving).rejects.toMatchObject({ code: 'DB_QUERY_ABORTED', safeToRetry: true });
    expect(await staying).toEqual({ two: 2 });
    await holder;
  });
});

describe('what is handed on', () => {
  it('never has an open transaction: it is rolled back, and told', async () => {
    const app = await start({ max: 1, min: 1 });
    await app.db.query('create table if not exists kept (n int)');
    await app.db.query('begin');
    await app.db.query('insert into kept values (1)');
    expect(await database.sql('select n from kept')).toEqual([{ n: 1 }]);
  });

  it('lives: a connection that died while it rested is replaced before anybody gets it', async () => {
    const app = await start({ max: 2, min: 2, validateAfterIdleMs: 0 });
    await waitFor(() => app.pools.stats()[0]?.idle === 2, { describe: 'two warm connections' });
    await database.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    for (let i = 0; i < 5; i++)
      expect(await app.db.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
  });
});

describe('leaks', () => {
  it('are told with the place of the borrower, and so is a late return', async () => {
    const app = await start({ max: 2, min: 0, leakDetectionMs: 100 });
    const leaked = app.record('lease:leaked');
    const late = app.record('lease:returned-late');
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const holding = app.db.transaction(async (tx) => {
      await tx.query('select 1 as the_last_statement');
      await gate;
    });
    await waitFor(() => leaked.length === 1, { describe: 'the leak to be told' });
    expect(leaked[0]).toMatchObject({
      node: 'primary',
      lastText: 'select 1 as the_last_statement',
    });
    // The first frame is the borrower's own.
    expect(leaked[0]?.borrowedAt?.split('\n')[0]).toContain('pool.spec');
    expect(late).toEqual([]);
    goOn();
    await holding;
    expect(late).toHaveLength(1);
    expect(figures(app)).toMatchObject({ leaks: 1 });
  });

  it('are seen coming: a saturated pool says so, and when it is over', async () => {
    const app = await start({ max: 2, min: 0 });
    const saturated = app.record('pool:saturated');
    const relieved = app.record('pool:relieved');
    await Promise.all([sleeping(app, 2.5), sleeping(app, 2.5)]);
    expect(saturated).toEqual([{ node: 'primary', leased: 2, max: 2 }]);
    await waitFor(() => relieved.length === 1, { describe: 'the pool to be relieved' });
  });
});

describe('closing', () => {
  it('lets work under way end, and refuses what waits and what comes', async () => {
    const app = await start({ max: 1, min: 1 });
    const running = app.db.one('select pg_sleep(0.5), 1 as done');
    const waiting = failure(app.db.query('select 2'), ShutdownError);
    await waitFor(() => app.pools.stats()[0]?.waiting === 1, { describe: 'the second to wait' });
    const closing = app.close();
    await waiting;
    expect(await running).toMatchObject({ done: 1 });
    await closing;
    await failure(app.db.query('select 3'), ShutdownError);
  });

  it('cancels what takes longer than closeTimeoutMs', async () => {
    const app = await start({ max: 2, min: 1, closeTimeoutMs: 200, statementTimeoutMs: 60_000 });
    const long = failure(sleeping(app, 60), ShutdownError);
    const idle = failure(
      app.db.transaction(async (tx) => {
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        await tx.query('select 1');
      }),
      Error,
    );
    await waitFor(() => app.pools.stats()[0]?.leased === 2, { describe: 'both to run' });
    await app.close();
    await long;
    await idle;
  });
});
