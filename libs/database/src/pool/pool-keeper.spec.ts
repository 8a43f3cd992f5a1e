// What a pool does by itself, second by second: ages, idle connections, leaks, saturation; and a day of churn.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ShutdownError } from '../kernel/errors.js';
import type { Enter } from '../query/stage.js';
import type { FakeClock } from '../testing/fake-clock.js';
import { refusedConnection } from '../testing/fake-driver.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import type { Lease } from './lease.js';
import type { PoolOptions } from './pool.options.js';
import type { Pool } from './pool.js';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let enter: Enter;

beforeEach(() => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
});

afterEach(async () => {
  await bench.close(pool);
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

function start(options: Partial<PoolOptions> = {}): void {
  ({ pool, enter } = bench.pool({ max: 10, ...options }));
  pool.start();
}

/** `count` statements at the same time, each for `ms`. */
function work(count: number, ms = 100): void {
  driver.script = () => ({ afterMs: ms });
  for (let i = 0; i < count; i++) bench.send(enter);
}

const lend = (borrowedAt?: { readonly stack: string }): Promise<Lease> =>
  bench.lend(enter, { timeoutMs: 60_000, borrowedAt });

describe('idle connections', () => {
  it('above the minimum are closed after idleTimeoutMs, the least recently used one first', async () => {
    start({ min: 2, idleTimeoutMs: 10_000 });
    const closed = bench.record('connection:closed');
    work(6);
    await clock.elapseMs(9_000);
    expect(pool.stats().total).toBe(6);
    await clock.elapseMs(5_000);
    expect(pool.stats()).toMatchObject({ total: 2, idle: 2 });
    expect(closed.map(({ reason }) => reason)).toEqual(Array(4).fill('it was idle'));
  });

  it('that are used now and then stay', async () => {
    start({ idleTimeoutMs: 10_000 });
    for (let i = 0; i < 10; i++) {
      work(1);
      await clock.elapseMs(5_000);
    }
    expect(driver.attempts).toBe(1);
  });

  it('are replaced at their lifetime, not all at the same moment', async () => {
    start({ min: 10, maxLifetimeMs: 600_000, maxConnecting: 10 });
    await clock.elapseMs(530_000);
    expect(pool.stats()).toMatchObject({ total: 10, opened: 10 });
    const closedAtMs: number[] = [];
    bench.events.on('connection:closed', ({ reason }) => {
      expect(reason).toBe('it reached its lifetime');
      closedAtMs.push(clock.monotonicMs());
    });
    await clock.elapseMs(72_000);
    expect(pool.stats()).toMatchObject({ total: 10, opened: 20 });
    expect(new Set(closedAtMs).size).toBeGreaterThan(3);
    expect(Math.min(...closedAtMs)).toBeGreaterThanOrEqual(540_000);
  });

  it('live for ever with maxLifetimeMs 0', async () => {
    start({ min: 3, maxLifetimeMs: 0 });
    await clock.elapseMs(10 * 3_600_000);
    expect(driver.attempts).toBe(3);
  });
});

describe('the minimum', () => {
  it('is restored within a second or so when connections are lost', async () => {
    start({ min: 4 });
    await clock.elapseMs(0);
    driver.connectScript = () => ({ error: refusedConnection() });
    for (const connection of driver.open) connection.lose('57P01');
    await clock.elapseMs(60_000);
    expect(pool.stats().total).toBe(0);
    driver.connectScript = () => undefined;
    await clock.elapseMs(1_200);
    expect(pool.stats()).toMatchObject({ total: 4, idle: 4 });
  });

  it('is not asked of a server that refuses more than ten times a second', async () => {
    driver.connectScript = () => ({ error: refusedConnection() });
    start({ min: 4 });
    await clock.elapseMs(60_000);
    expect(driver.attempts).toBeLessThanOrEqual(10 * 60);
  });
});

describe('a lease', () => {
  it('held longer than leakDetectionMs is told once, with its borrower and its last statement', async () => {
    start({ leakDetectionMs: 5_000 });
    const leaked = bench.record('lease:leaked');
    const late = bench.record('lease:returned-late');
    const lease = await lend({ stack: 'Error\n    at Orders.place' });
    bench.run(lease, 'SELECT the_last');
    await clock.elapseMs(4_000);
    expect(leaked).toEqual([]);
    await clock.elapseMs(60_000);
    expect(leaked).toEqual([
      expect.objectContaining({
        node: 'primary',
        backendPid: 1_000,
        lastText: 'SELECT the_last',
        borrowedAt: '    at Orders.place',
      }),
    ]);
    expect(leaked[0]?.heldMs).toBeGreaterThanOrEqual(5_000);
    expect(leaked[0]?.heldMs).toBeLessThan(6_200);
    expect(late).toEqual([]);
    lease.release();
    expect(late).toHaveLength(1);
    expect(pool.stats().leaks).toBe(1);
  });

  it('is not looked after with leakDetectionMs 0, nor when it comes back in time', async () => {
    start({ leakDetectionMs: 0 });
    const leaked = bench.record('lease:leaked');
    const lease = await lend();
    await clock.elapseMs(3_600_000);
    expect(leaked).toEqual([]);
    lease.release();
  });
});

describe('saturation', () => {
  it('is told once when it begins and once when it is over', async () => {
    start({ max: 5, saturationRatio: 0.8 });
    const told: string[] = [];
    bench.events.on('pool:saturated', ({ leased, max }) => told.push(`saturated ${leased}/${max}`));
    bench.events.on('pool:relieved', () => told.push('relieved'));
    work(3, 10_000);
    await clock.elapseMs(3_000);
    expect(told).toEqual([]);
    work(1, 10_000);
    await clock.elapseMs(60_000);
    expect(told).toEqual(['saturated 4/5', 'relieved']);
  });
});

describe('a day', () => {
  it('of bursts, outages and retirements ends as it began: no connection, waiter or timer too many', async () => {
    start({ max: 20, min: 2, idleTimeoutMs: 30_000, maxLifetimeMs: 1_800_000 });
    let state = 7;
    const random = (): number =>
      (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
    let sent = 0;
    driver.script = () => {
      const dice = random();
      if (dice < 0.005) return { loses: 'reset by peer' };
      if (dice < 0.008) return { hangs: true };
      return { afterMs: 1 + random() * 50 };
    };
    let most = 0;
    let mostPending = 0;
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      // Every four hours the server is away for five minutes.
      const isAway = minute % 240 === 0;
      driver.connectScript = () => (isAway ? { error: refusedConnection() } : { afterMs: 20 });
      if (isAway) for (const connection of driver.open) connection.lose('57P01');
      const burst = Math.floor(random() ** 2 * 120);
      for (let i = 0; i < burst; i++) {
        sent++;
        const { trip } = bench.send(enter, { timeoutMs: 10_000 });
        if (random() < 0.02) trip.interrupt(new ShutdownError('the caller left'));
      }
      await clock.elapseMs(1_000);
      most = Math.max(most, pool.stats().total, driver.open.length);
      await clock.elapseMs(299_000);
      mostPending = Math.max(mostPending, clock.pendingTimers);
      expect(pool.stats()).toMatchObject({ waiting: 0, leased: 0 });
      expect(bench.finishedTrips.length).toBe(sent);
    }
    expect(sent).toBeGreaterThan(5_000);
    expect(most).toBeLessThanOrEqual(20);
    const { total, opened, closed } = pool.stats();
    expect(total).toBeGreaterThanOrEqual(2);
    expect(opened - closed).toBe(total);
    expect(driver.open).toHaveLength(total);
    // The keeper's next look, and the wheel while somebody waits.
    expect(mostPending).toBeLessThanOrEqual(2);
    expect(bench.wheel.size).toBe(0);
  }, 60_000);
});
