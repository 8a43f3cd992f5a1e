// The end of a pool in every state it can be in: bounded, told once, nothing left.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseError, ShutdownError } from '../kernel/errors.js';
import type { Enter } from '../query/stage.js';
import type { FakeClock } from '../testing/fake-clock.js';
import { refusedConnection } from '../testing/fake-driver.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import { errorOf } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import type { Lease } from './lease.js';
import type { PoolOptions } from './pool.options.js';
import type { Pool } from './pool.js';

const CLOSE_MS = 1_000;
/** What cancelled statements get, in ms. */
const CANCEL_MS = 2_000;

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let enter: Enter;
let closings: Array<{ readonly cancelled: number; readonly destroyed: number }>;

beforeEach(() => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
  closings = [];
  bench.events.on('pool:closed', ({ cancelled, destroyed }) =>
    closings.push({ cancelled, destroyed }),
  );
});

afterEach(async () => {
  await clock.elapseMs(20);
  expect(driver.open).toEqual([]);
  expect(driver.connecting).toBe(0);
  expect(bench.wheel.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
  expect(closings).toHaveLength(1);
});

function open(options: Partial<PoolOptions> = {}): void {
  ({ pool, enter } = bench.pool({ max: 3, closeTimeoutMs: CLOSE_MS, ...options }));
  pool.start();
}

const send = (timeoutMs = 60_000): BenchedTrip => bench.send(enter, { timeoutMs });

/** Closes, and tells how long it took on the clock. */
async function close(withinMs: number): Promise<number> {
  const startedAtMs = clock.monotonicMs();
  let tookMs = Number.POSITIVE_INFINITY;
  void pool.close().then(() => (tookMs = clock.monotonicMs() - startedAtMs));
  await clock.elapseMs(withinMs);
  return tookMs;
}

const lend = (): Promise<Lease> => bench.lend(enter, { timeoutMs: 60_000 });

describe('closing a pool', () => {
  it('that was never used takes no time', async () => {
    open();
    expect(await close(0)).toBe(0);
  });

  it('with idle connections only says goodbye to them', async () => {
    open({ min: 3 });
    await clock.elapseMs(0);
    expect(driver.open).toHaveLength(3);
    expect(await close(0)).toBe(0);
  });

  it('twice is closing it once', async () => {
    open();
    expect(pool.close()).toBe(pool.close());
    await pool.close();
  });

  it('refuses those who wait, at once, as safe to retry elsewhere', async () => {
    open({ max: 1 });
    driver.script = () => ({ afterMs: 500 });
    const running = send();
    await clock.elapseMs(0);
    const waiting = [send(), send()];
    const closing = close(CLOSE_MS);
    await clock.elapseMs(0);
    for (const trip of waiting) {
      expect(errorOf(trip)).toBeInstanceOf(ShutdownError);
      expect((errorOf(trip) as DatabaseError).safeToRetry).toBe(true);
    }
    expect(running.ends).toEqual([]);
    expect(await closing).toBe(500);
    expect(running.ends).toEqual([{ result: expect.anything() }]);
    expect(closings).toEqual([{ cancelled: 0, destroyed: 0 }]);
  });

  it('cancels what runs after closeTimeoutMs, and tells it so', async () => {
    open();
    driver.script = () => ({ hangs: true });
    const running = [send(), send()];
    await clock.elapseMs(0);
    expect(await close(CLOSE_MS)).toBe(CLOSE_MS);
    for (const trip of running) {
      expect(errorOf(trip)).toBeInstanceOf(ShutdownError);
      expect((errorOf(trip) as DatabaseError).safeToRetry).toBe(false);
    }
    expect(closings).toEqual([{ cancelled: 2, destroyed: 0 }]);
  });

  it('cuts what a cancel does not end', async () => {
    open();
    driver.script = () => ({ hangs: true, ignoresCancel: true });
    const running = send();
    await clock.elapseMs(0);
    expect(await close(CLOSE_MS + CANCEL_MS)).toBeLessThanOrEqual(CLOSE_MS + CANCEL_MS);
    expect(errorOf(running)).toBeInstanceOf(ShutdownError);
    expect(running.ends).toHaveLength(1);
  });

  it('cuts a lease that is never returned', async () => {
    open();
    const lease = await lend();
    expect(await close(CLOSE_MS + CANCEL_MS)).toBe(CLOSE_MS + CANCEL_MS);
    expect(lease.isUsable).toBe(false);
    expect(closings[0]?.destroyed).toBe(1);
    lease.release();
    await clock.elapseMs(10);
    expect(pool.stats().total).toBe(0);
  });

  it('waits for a lease that is returned in time', async () => {
    open();
    const lease = await lend();
    const closing = close(CLOSE_MS);
    await clock.elapseMs(0);
    lease.release();
    await closing;
    expect(closings).toEqual([{ cancelled: 0, destroyed: 0 }]);
  });

  it('lets a transaction on a lease go on to its end', async () => {
    open();
    const lease = await lend();
    bench.run(lease, 'BEGIN');
    await clock.elapseMs(0);
    const closing = close(CLOSE_MS);
    await clock.elapseMs(10);
    const statement = bench.run(lease, 'INSERT');
    await clock.elapseMs(10);
    const commit = bench.run(lease, 'COMMIT');
    await clock.elapseMs(0);
    lease.release();
    await closing;
    expect([statement, commit].map(({ ends }) => ends)).toEqual([
      [{ result: expect.objectContaining({ command: 'INSERT' }) }],
      [{ result: expect.objectContaining({ command: 'COMMIT' }) }],
    ]);
  });

  it('while it connects waits for those connections, and keeps none', async () => {
    open();
    driver.connectScript = () => ({ afterMs: 300 });
    const waiting = send();
    await clock.elapseMs(100);
    expect(driver.connecting).toBe(1);
    expect(await close(300)).toBe(200);
    expect(errorOf(waiting)).toBeInstanceOf(ShutdownError);
    expect(driver.connections).toHaveLength(1);
  });

  it('while a server says nothing to a new connection takes connectTimeoutMs at most', async () => {
    open({ connectTimeoutMs: 600 });
    driver.connectScript = () => ({ hangs: true });
    const waiting = send();
    await clock.elapseMs(0);
    expect(await close(600)).toBe(600);
    expect(errorOf(waiting)).toBeInstanceOf(ShutdownError);
  });

  it('while connecting fails leaves no pause behind', async () => {
    open();
    const lease = await lend();
    driver.connectScript = () => ({ error: refusedConnection() });
    const waiting = send();
    await clock.elapseMs(50);
    const closing = close(CLOSE_MS);
    lease.release();
    await closing;
    expect(errorOf(waiting)).toBeInstanceOf(ShutdownError);
  });

  it('while a connection is asked whether it lives ends that one too', async () => {
    open({ validateAfterIdleMs: 100 });
    send();
    await clock.elapseMs(500);
    driver.script = () => ({ afterMs: 50 });
    const waiting = send();
    await clock.elapseMs(0);
    expect(await close(100)).toBe(50);
    expect(errorOf(waiting)).toBeInstanceOf(ShutdownError);
  });

  it('while a connection is rolled back ends that one too', async () => {
    open();
    const lease = await lend();
    bench.run(lease, 'BEGIN');
    await clock.elapseMs(0);
    driver.script = () => ({ afterMs: 50 });
    lease.release();
    expect(await close(100)).toBe(50);
  });

  it('in the same turn as a call turns that call away, and loses no connection', async () => {
    open({ min: 1 });
    await clock.elapseMs(0);
    const closing = close(0);
    const late = send();
    expect(await closing).toBe(0);
    expect(errorOf(late)).toBeInstanceOf(ShutdownError);
  });

  it('while nobody can connect takes no time', async () => {
    driver.connectScript = () => ({ error: refusedConnection() });
    open({ min: 2 });
    await clock.elapseMs(2_500);
    expect(await close(0)).toBe(0);
  });
});
