// A black hole: the other side is gone and nobody says so. Nothing may hang, and traffic comes back by itself.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseError } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('black_hole');
let proxy: FaultProxy;
let app: DatabaseApp;

beforeEach(async () => {
  proxy = await startFaultProxy({ targetPort: Number(new URL(database.url).port) });
});
afterEach(async () => {
  await app.close();
  await proxy.stop();
  // The server has not heard of its client's end: it would notice when it answers.
  await database.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep%' and datname = current_database()`,
  );
});
useLeakCheck({ database });

async function start(
  routing: DatabaseModuleOptions['routing'],
  url = proxy.url(database.url),
): Promise<void> {
  const statementTimeoutMs = 60_000;
  const pool = { max: 4, min: 2, statementTimeoutMs, closeTimeoutMs: 500 };
  app = await startDatabaseApp({ url, pool, routing });
}

/** How long a statement that runs while the line goes dead takes to be told, in ms. */
async function detectionMs(): Promise<number> {
  const running = app.db.query('select pg_sleep(30)').catch((error: unknown) => error);
  await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the statement to run' });
  await proxy.setMode('blackhole');
  const startedAtMs = performance.now();
  const error = await running;
  expect(error).toMatchObject({ code: 'DB_CONNECTION', safeToRetry: false, outage: true });
  return performance.now() - startedAtMs;
}

describe('a black-holed server', () => {
  it('is found out in less than 5 s by default, long before the statement timeout', async () => {
    await start({});
    expect(await detectionMs()).toBeLessThan(5_000);
  }, 60_000);

  it('is found out in less than 1 s with fast probes, and traffic comes back by itself', async () => {
    await start({ probeIntervalMs: 200, probeTimeoutMs: 200 });
    expect(await detectionMs()).toBeLessThan(1_000);
    const refused = await app.db.query('select 1').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DatabaseError);
    await proxy.setMode('pass');
    proxy.killAll();
    await waitFor(() => app.db.one('select 1 as one'), { describe: 'an answer', timeoutMs: 5_000 });
  }, 60_000);

  it('does not make close hang', async () => {
    await start({ probeIntervalMs: 10_000 });
    const running = app.db.query('select pg_sleep(30)').catch((error: unknown) => error);
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the statement to run' });
    await proxy.setMode('blackhole');
    const startedAtMs = performance.now();
    await app.close();
    // 0.5 s for the statement, 2 s for its cancel, and as much for idle connections to say goodbye.
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
    expect(await running).toMatchObject({ code: 'DB_SHUTDOWN' });
  }, 60_000);
});

describe('an event loop that is blocked', () => {
  it('is not taken for a dead server', async () => {
    await start({ probeIntervalMs: 50, probeTimeoutMs: 150 });
    const lost = app.record('node:disconnected');
    for (let i = 0; i < 5; i++) {
      const endsAt = performance.now() + 400;
      while (performance.now() < endsAt);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(lost).toEqual([]);
    expect(await app.db.one('select 1 as one')).toEqual({ one: 1 });
  }, 60_000);

  it('is not taken for a slow server: what was answered in time is no timeout', async () => {
    // Not through the proxy, which lives in the same event loop.
    await start({ probeIntervalMs: 200, probeTimeoutMs: 200 }, database.url);
    const lost = app.record('node:disconnected');
    const ask = (): Promise<unknown> =>
      app.db.one('select pg_sleep(0.3), 1 as one', [], { timeoutMs: 1_500 });
    await ask();
    const answer = ask();
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'it', intervalMs: 1 });
    const endsAtMs = performance.now() + 2_000;
    while (performance.now() < endsAtMs);
    expect(await answer).toMatchObject({ one: 1 });
    expect(lost).toEqual([]);
  }, 60_000);
});
