// More load than the pool can carry, against a real server: who is sent away, who deadlocks, and that health answers meanwhile.
import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DatabaseHealthIndicator,
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  PoolDeadlockError,
  PoolOverloadedError,
  UsageError,
} from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('admission');
let started: DatabaseApp | undefined;
let web: INestApplication | undefined;
afterEach(async () => {
  await started?.close();
  await web?.close();
  started = web = undefined;
});
useLeakCheck({ database });

async function start(pool: DatabaseModuleOptions['pool']): Promise<DatabaseApp> {
  started = await startDatabaseApp({ url: database.url, pool });
  return started;
}

const sleeping = ({ db }: Pick<DatabaseApp, 'db'>, seconds: number, priority?: 'high' | 'low') =>
  db.query('select pg_sleep($1)', [seconds], { priority });

describe('a load that stays above what the pool can do', () => {
  it('is shed, and those who are served are served soon', async () => {
    const app = await start({ max: 2, min: 2, queueTargetMs: 100, queueIntervalMs: 500 });
    const overloaded = app.record('pool:overloaded');
    const recovered = app.record('pool:recovered');
    const outcomes: unknown[] = [];
    const urgent: number[] = [];
    // 50 ms each on 2 connections are 40 a second; about 200 come.
    for (let n = 0; n < 300; n++) {
      void sleeping(app, 0.05).then(
        () => outcomes.push('served'),
        (error: unknown) => outcomes.push(error),
      );
      if (n % 50 === 0) {
        const at = performance.now();
        void sleeping(app, 0, 'high').then(() => urgent.push(performance.now() - at));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await waitFor(() => outcomes.length === 300, { describe: 'all to be told' });
    const gone = outcomes.filter((one) => one !== 'served');
    for (const error of gone) expect(error).toBeInstanceOf(PoolOverloadedError);
    expect(gone[0]).toMatchObject({ reason: 'slow', safeToRetry: true });
    expect(gone.length).toBeGreaterThan(50);
    expect(outcomes.length - gone.length).toBeGreaterThan(40);
    expect(urgent).toHaveLength(6);
    expect(Math.max(...urgent)).toBeLessThan(1_000);
    // A queue this short may be empty for a moment, and so recover, more than once.
    expect(overloaded.length).toBeGreaterThan(0);
    await sleeping(app, 0);
    await waitFor(() => recovered.length === overloaded.length, { describe: 'the recovery' });
    expect(app.pools.stats()[0]).toMatchObject({ shed: gone.length, refused: 0, waiting: 0 });
  });
});

describe('a call inside a call', () => {
  it('that can never get its connection fails at once; the server is clean afterwards', async () => {
    const app = await start({ max: 1, min: 1 });
    const told = app.record('lease:nested');
    const inner = (): Promise<unknown> =>
      app.db.transaction((tx) => tx.query('select 1'), { propagation: 'requires-new' });
    const startedAtMs = performance.now();
    const error = await failure(app.db.transaction(inner), PoolDeadlockError);
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    expect(error).toMatchObject({ code: 'DB_POOL_DEADLOCK', safeToRetry: true });
    expect(told).toEqual([expect.objectContaining({ waits: true })]);
    expect(await app.db.one('select 1 as one')).toEqual({ one: 1 });
  });

  it('by COPY in a hook, while the code around it holds the only connection, fails at once', async () => {
    const app = await start({ max: 1, min: 1, acquireTimeoutMs: 5_000 });
    const failed = app.record('transaction:hook-failed');
    const startedAtMs = performance.now();
    await app.db.session(() =>
      app.db.transaction(async (tx) => {
        await tx.query('create temporary table copied (n int)');
        tx.afterCommit(async () => void (await app.db.copyFrom('copied', [[1]])));
        tx.afterCommit(
          async () => void (await app.db.copyTo('copy (select 1) to stdout').toArray()),
        );
      }),
    );
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    const error = expect.any(PoolDeadlockError);
    expect(failed).toEqual([{ error }, { error }]);
  });

  it('of many at a time lets as many through as it can', async () => {
    const app = await start({ max: 4, min: 4 });
    const call = (): Promise<unknown> =>
      app.db.transaction(async (tx) => {
        await tx.query('select 1');
        await app.db.session((session) => session.query('select 2'));
      });
    const results = await Promise.allSettled(Array.from({ length: 40 }, call));
    const failed = results.filter(({ status }) => status === 'rejected');
    for (const result of failed)
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(PoolDeadlockError);
    expect(failed.length).toBeLessThan(20);
  });
});

describe('while the pool is dry, and while it is suspended', () => {
  it('health, readiness, metrics and indicators answer at once', async () => {
    const pool = { max: 1, min: 1, acquireTimeoutMs: 10_000 };
    const module = await Test.createTestingModule({
      imports: [
        DatabaseModule.forRoot({ url: database.url, pool, endpoints: { token: 'operator' } }),
      ],
    }).compile();
    web = module.createNestApplication();
    await web.listen(0, '127.0.0.1');
    const [db, pools] = [web.get(DatabaseService), web.get(DatabasePoolService)];
    const indicator = web.get(DatabaseHealthIndicator);
    const url = await web.getUrl();
    const look = async (): Promise<void> => {
      const startedAtMs = performance.now();
      for (const path of ['health', 'health/ready', 'health/metrics', 'metrics']) {
        const { status } = await fetch(`${url}/${path}`);
        expect([path, status]).toEqual([path, 200]);
      }
      const headers = { authorization: 'Bearer operator' };
      const { status } = await fetch(`${url}/api/database/connection-info`, { headers });
      expect(status).toBe(200);
      expect((await indicator.check('db')).db).toMatchObject({ status: expect.any(String) });
      expect((await indicator.pool('pool')).pool).toMatchObject({ max: 1 });
      expect(performance.now() - startedAtMs).toBeLessThan(2_000);
    };
    const busy = Promise.all([1, 2, 3].map(() => sleeping({ db }, 1)));
    await waitFor(() => pools.stats()[0]?.waiting === 2, { describe: 'a dry pool' });
    await look();
    await busy;
    await pools.suspend();
    const waiting = sleeping({ db }, 0);
    await look();
    expect(pools.stats()[0]).toMatchObject({ isSuspended: true, total: 0, waiting: 1 });
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toMatch(/db_client_connection_suspended\{[^}]*\} 1/);
    expect(text).toMatch(/db_client_connection_refused_total\{[^}]*reason="slow"[^}]*\} 0/);
    pools.resume();
    await waiting;
  });

  it('the pool closes as it does otherwise', async () => {
    const app = await start({ max: 2, min: 2 });
    await app.pools.suspend();
    const waiting = sleeping(app, 0).catch((error: unknown) => error);
    await app.close();
    expect(await waiting).toMatchObject({ code: 'DB_SHUTDOWN', safeToRetry: true });
  });
});

describe('what cannot be done', () => {
  it('is told by its name, and changes nothing', async () => {
    const app = await start({ max: 2, min: 1 });
    const { pools } = app;
    expect(() => pools.resume({ node: 'nobody' })).toThrow('The nodes are: primary.');
    await expect(pools.suspend({ timeoutMs: 0 })).rejects.toBeInstanceOf(UsageError);
    await expect(pools.recycle({ timeoutMs: Number.NaN })).rejects.toBeInstanceOf(UsageError);
    expect(() => pools.resize({ max: 0 })).toThrow(/pool\.max = 0/);
    const priority = 'urgent' as never;
    await expect(app.db.query('select 1', [], { priority })).rejects.toThrow(
      'priority = "urgent" must be one of: high, normal, low.',
    );
    expect(pools.stats()[0]).toMatchObject({ max: 2, isSuspended: false });
  });
});
