// Suspend and resume, resize, recycle: under load, twice, out of turn, and while the pool closes.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConfigurationError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import type { FakeClock } from '../testing/fake-clock.js';
import { refusedConnection } from '../testing/fake-driver.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import { errorOf, isAnswered } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
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
  expect(bench.wheel.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
  expect(pool.stats()).toMatchObject({ waiting: 0, leased: 0, total: 0, connecting: 0 });
});

/** A pool of at most 4 on which each statement takes 100 ms. */
async function start(options: Partial<PoolOptions> = {}): Promise<void> {
  ({ pool, enter } = bench.pool({ max: 4, ...options }));
  driver.script = ({ text }) => (text === '' ? {} : { afterMs: 100 });
  pool.start();
  await clock.elapseMs(0);
}

const send = (request: Partial<TripRequest> = {}): BenchedTrip => bench.send(enter, request);
const crowd = (count: number): BenchedTrip[] => Array.from({ length: count }, () => send());
const answered = (list: readonly BenchedTrip[]): number => list.filter(isAnswered).length;

/** What became of a promise so far. */
function watched(promise: Promise<unknown>): {
  state: 'open' | 'done' | 'failed';
  error?: unknown;
} {
  const seen: ReturnType<typeof watched> = { state: 'open' };
  promise.then(
    () => (seen.state = 'done'),
    (error: unknown) => Object.assign(seen, { state: 'failed', error }),
  );
  return seen;
}

describe('suspend', () => {
  it('lets work under way end and new work wait; resume lets it go on, on new connections', async () => {
    await start({ min: 3 });
    const under = crowd(2);
    const told = [bench.record('pool:suspended'), bench.record('pool:resumed')];
    const suspended = watched(pool.control.suspend(1_000));
    const waiting = crowd(5);
    await clock.elapseMs(50);
    expect(suspended.state).toBe('open');
    expect(pool.stats()).toMatchObject({ isSuspended: true, total: 2, leased: 2, waiting: 5 });
    await clock.elapseMs(60);
    expect(suspended.state).toBe('done');
    expect(answered(under)).toBe(2);
    await clock.elapseMs(3_000);
    expect(pool.stats()).toMatchObject({ total: 0, waiting: 5, connecting: 0 });
    expect(driver.open).toEqual([]);
    pool.control.resume();
    await clock.elapseMs(250);
    expect(answered(waiting)).toBe(5);
    expect(pool.stats()).toMatchObject({ isSuspended: false, shed: 0, acquireTimeouts: 0 });
    expect(told).toEqual([
      [{ node: 'primary', leased: 2, max: 4, waiting: 0 }],
      [expect.objectContaining({ waiting: 5, tookMs: 3_110 })],
    ]);
  });

  it('lets callers wait no longer than they would otherwise, and tells them why', async () => {
    await start({ acquireTimeoutMs: 500, maxWaiting: 3 });
    await pool.control.suspend(1_000);
    const controller = new AbortController();
    const waiting = [...crowd(4), send({ timeoutMs: 200 }), send({ signal: controller.signal })];
    await clock.elapseMs(100);
    controller.abort();
    expect(errorOf(waiting[5] as BenchedTrip)).toBeInstanceOf(QueryAbortedError);
    await clock.elapseMs(110);
    expect(errorOf(waiting[4] as BenchedTrip)).toBeInstanceOf(PoolTimeoutError);
    const more = crowd(4);
    expect(errorOf(more[3] as BenchedTrip)).toBeInstanceOf(PoolOverloadedError);
    await clock.elapseMs(300);
    const error = errorOf(waiting[0] as BenchedTrip) as PoolTimeoutError;
    expect(error).toBeInstanceOf(PoolTimeoutError);
    expect(error.message).toMatch(/is suspended: resume\(\)/);
    await clock.elapseMs(300);
    expect(pool.stats().waiting).toBe(0);
  });

  it('twice is one; both are told when it is done, and resume ends it once', async () => {
    await start();
    crowd(1);
    const told = bench.record('pool:suspended');
    const both = [pool.control.suspend(1_000), pool.control.suspend(1_000)].map(watched);
    await clock.elapseMs(110);
    expect(both.map(({ state }) => state)).toEqual(['done', 'done']);
    expect(told).toHaveLength(1);
    expect(watched(pool.control.suspend(1_000)).state).toBe('open');
    pool.control.resume();
    const one = send();
    await clock.elapseMs(110);
    expect(answered([one])).toBe(1);
  });

  it('that never was is resumed by nobody', async () => {
    await start();
    const told = bench.record('pool:resumed');
    pool.control.resume();
    expect(told).toEqual([]);
  });

  it('that takes too long is taken back: the pool goes on', async () => {
    await start();
    driver.script = () => ({ afterMs: 2_000 });
    crowd(1);
    await clock.elapseMs(0);
    const first = watched(pool.control.suspend(500));
    const second = watched(pool.control.suspend(5_000));
    const waiting = send();
    await clock.elapseMs(500);
    expect(first.error).toBeInstanceOf(PoolTimeoutError);
    expect((first.error as Error).message).toMatch(/1\/4 leased.*was resumed/);
    expect(second.error).toBeInstanceOf(UsageError);
    expect(pool.stats().isSuspended).toBe(false);
    await clock.elapseMs(2_100);
    expect(answered([waiting])).toBe(1);
  });

  it('is not done when resume comes before', async () => {
    await start();
    const [one] = crowd(1);
    await clock.elapseMs(0);
    const suspended = watched(pool.control.suspend(500));
    pool.control.resume();
    await clock.elapseMs(0);
    expect(suspended.error).toBeInstanceOf(UsageError);
    await clock.elapseMs(110);
    expect(answered([one as BenchedTrip])).toBe(1);
  });

  it('keeps those who wait from the failures of a server that is away', async () => {
    driver.connectScript = (attempt) =>
      attempt <= 3 ? { error: refusedConnection(), afterMs: 50 } : undefined;
    await start();
    const early = crowd(3);
    const suspended = watched(pool.control.suspend(1_000));
    await clock.elapseMs(1_000);
    expect(suspended.state).toBe('done');
    expect(pool.stats()).toMatchObject({ waiting: 3, connectFailures: 3 });
    pool.control.resume();
    await clock.elapseMs(150);
    expect(answered(early)).toBe(3);
  });

  it('drops a connection that is opened meanwhile', async () => {
    driver.connectScript = () => ({ afterMs: 50 });
    await start();
    const early = send();
    await pool.control.suspend(1_000);
    await clock.elapseMs(60);
    expect(pool.stats()).toMatchObject({ total: 0, waiting: 1 });
    expect(driver.open).toEqual([]);
    pool.control.resume();
    await clock.elapseMs(200);
    expect(answered([early])).toBe(1);
  });

  it('does not count against callers: what they waited meanwhile sheds nobody', async () => {
    await start({ queueTargetMs: 100, queueIntervalMs: 300, acquireTimeoutMs: 20_000 });
    await pool.control.suspend(1_000);
    const waiting = crowd(12);
    await clock.elapseMs(10_000);
    pool.control.resume();
    await clock.elapseMs(400);
    expect(answered(waiting)).toBe(12);
    expect(pool.stats().shed).toBe(0);
  });

  it('ends with the pool, for those who wait too', async () => {
    await start();
    crowd(1);
    const suspended = watched(pool.control.suspend(60_000));
    const waiting = send();
    const closing = pool.close();
    await clock.elapseMs(200);
    await closing;
    expect(suspended.state).toBe('done');
    expect(errorOf(waiting)).toBeInstanceOf(ShutdownError);
    pool.control.resume();
    await clock.elapseMs(100);
    expect(pool.stats()).toMatchObject({ total: 0, connecting: 0 });
    await expect(pool.control.suspend(10)).rejects.toBeInstanceOf(ShutdownError);
  });
});

describe('resize', () => {
  it('upward serves those who wait at once', async () => {
    await start({ max: 1 });
    const told = bench.record('pool:resized');
    const list = crowd(8);
    await clock.elapseMs(10);
    pool.control.resize({ max: 8 });
    await clock.elapseMs(110);
    expect(answered(list)).toBe(8);
    expect(pool.stats()).toMatchObject({ max: 8, total: 8 });
    expect(told).toEqual([
      { node: 'primary', formerMax: 1, max: 8, min: 0, leased: 1, waiting: 7 },
    ]);
  });

  it('below what is leased takes connections as they come back', async () => {
    await start();
    const list = crowd(4);
    await clock.elapseMs(50);
    pool.control.resize({ max: 2 });
    expect(pool.stats()).toMatchObject({ total: 4, max: 2, utilizationRatio: 1 });
    expect(answered(list)).toBe(0);
    await clock.elapseMs(60);
    expect(answered(list)).toBe(4);
    expect(pool.stats()).toMatchObject({ total: 2, idle: 2 });
    expect(driver.open).toHaveLength(2);
  });

  it('to 1 serves all 50 who wait, one after the other', async () => {
    await start({ acquireTimeoutMs: 20_000 });
    const list = crowd(50);
    await clock.elapseMs(10);
    pool.control.resize({ max: 1 });
    await clock.elapseMs(4_900);
    expect(answered(list)).toBe(50);
    expect(pool.stats()).toMatchObject({ total: 1, max: 1, refused: 0, shed: 0 });
    expect(Math.max(...driver.connections.map(({ statements }) => statements.length))).toBe(47);
  });

  it('closes what rests at once, the longest first, and drops what is opened beyond', async () => {
    driver.connectScript = () => ({ afterMs: 20 });
    await start({ max: 6, min: 3, maxConnecting: 6 });
    await clock.elapseMs(20);
    const list = crowd(6);
    pool.control.resize({ max: 2, min: 1 });
    await clock.elapseMs(300);
    expect(answered(list)).toBe(6);
    expect(pool.stats()).toMatchObject({ total: 2, connecting: 0, min: 1 });
    pool.control.resize({ max: 1 });
    expect(pool.stats()).toMatchObject({ total: 1, max: 1, min: 1 });
  });

  it('opens a higher minimum', async () => {
    await start();
    pool.control.resize({ min: 3 });
    await clock.elapseMs(0);
    expect(pool.stats()).toMatchObject({ total: 3, idle: 3, min: 3 });
  });

  it.each([
    [{ max: 0 }, /pool\.max = 0/],
    [{ max: 2.5 }, /pool\.max = 2\.5/],
    [{ min: 5 }, /pool\.min = 5: must not be greater than pool\.max \(4\)/],
    [{ min: -1 }, /pool\.min = -1/],
  ])('refuses %j and changes nothing', async (size, message) => {
    await start();
    expect(() => pool.control.resize(size)).toThrow(ConfigurationError);
    expect(() => pool.control.resize(size)).toThrow(message);
    expect(pool.stats()).toMatchObject({ max: 4, min: 0 });
  });

  it('takes min down with max where it is not given', async () => {
    await start({ min: 3 });
    pool.control.resize({ max: 2 });
    expect(pool.stats()).toMatchObject({ max: 2, min: 2, total: 2 });
  });
});

describe('recycle', () => {
  const pids = (): number[] => driver.open.map(({ backendPid }) => backendPid);

  it('replaces all that is open under load, without a failed call', async () => {
    driver.connectScript = () => ({ afterMs: 30 });
    await start({ max: 8, min: 8 });
    await clock.elapseMs(100);
    const before = pids();
    const told = bench.record('pool:recycled');
    const list: BenchedTrip[] = [];
    const done = watched(pool.control.recycle(10_000));
    let fewest = 8;
    for (let step = 0; step < 40; step++) {
      list.push(...crowd(2));
      await clock.elapseMs(25);
      fewest = Math.min(fewest, pool.stats().total);
    }
    await clock.elapseMs(1_000);
    expect(done.state).toBe('done');
    expect(answered(list)).toBe(80);
    expect(fewest).toBeGreaterThanOrEqual(4);
    expect(pids().filter((pid) => before.includes(pid))).toEqual([]);
    expect(pool.stats().total).toBe(8);
    expect(told).toEqual([expect.objectContaining({ replaced: 8 })]);
  });

  it('stops when the new ones cannot be opened: the old ones go on, and the rest follows later', async () => {
    await start({ max: 8, min: 8 });
    let isAway = true;
    driver.connectScript = () => (isAway ? { error: refusedConnection() } : undefined);
    const done = watched(pool.control.recycle(60_000));
    await clock.elapseMs(5_000);
    expect(pool.stats().total).toBe(4);
    const list = crowd(8);
    await clock.elapseMs(250);
    expect(answered(list)).toBe(8);
    isAway = false;
    await clock.elapseMs(5_000);
    expect(done.state).toBe('done');
    expect(pool.stats().total).toBe(8);
  });

  it('of a single connection lets callers wait for the new one', async () => {
    driver.connectScript = () => ({ afterMs: 30 });
    await start({ max: 1, min: 1 });
    await clock.elapseMs(30);
    const done = watched(pool.control.recycle(1_000));
    const list = crowd(3);
    await clock.elapseMs(400);
    expect([done.state, answered(list)]).toEqual(['done', 3]);
  });

  it('of nothing is done at once', async () => {
    await start();
    const told = bench.record('pool:recycled');
    await pool.control.recycle(1_000);
    expect(told).toEqual([expect.objectContaining({ replaced: 0 })]);
  });

  it('tells what is still in use when its time is up, and replaces it when it comes back', async () => {
    await start();
    driver.script = () => ({ afterMs: 3_000 });
    crowd(1);
    await clock.elapseMs(0);
    const done = watched(pool.control.recycle(1_000));
    await clock.elapseMs(1_000);
    expect(done.error).toBeInstanceOf(PoolTimeoutError);
    expect((done.error as Error).message).toMatch(/when they come back/);
    const [old] = pids();
    await clock.elapseMs(2_100);
    expect(pids()).not.toContain(old);
  });

  it('again while it runs takes in the connections that are new by now', async () => {
    driver.connectScript = () => ({ afterMs: 30 });
    await start({ max: 4, min: 4 });
    await clock.elapseMs(30);
    const first = watched(pool.control.recycle(5_000));
    await clock.elapseMs(40);
    const between = pids();
    const second = watched(pool.control.recycle(5_000));
    await clock.elapseMs(500);
    expect([first.state, second.state]).toEqual(['done', 'done']);
    expect(pids().filter((pid) => between.includes(pid))).toEqual([]);
    expect(pool.stats().total).toBe(4);
  });

  it('goes on through another size and a suspension', async () => {
    driver.connectScript = () => ({ afterMs: 30 });
    await start({ max: 6, min: 6 });
    await clock.elapseMs(100);
    const list = crowd(12);
    const done = watched(pool.control.recycle(5_000));
    pool.control.resize({ max: 3 });
    await clock.elapseMs(20);
    const suspended = watched(pool.control.suspend(5_000));
    await clock.elapseMs(500);
    expect([done.state, suspended.state]).toEqual(['done', 'done']);
    pool.control.resume();
    await clock.elapseMs(1_000);
    expect(answered(list)).toBe(12);
    expect(pool.stats().total).toBe(3);
    const again = watched(pool.control.recycle(1_000));
    await clock.elapseMs(200);
    expect([again.state, pool.stats().total]).toEqual(['done', 3]);
  });

  it('ends with the pool', async () => {
    await start();
    driver.script = () => ({ afterMs: 500 });
    crowd(2);
    await clock.elapseMs(0);
    const done = watched(pool.control.recycle(60_000));
    const closing = pool.close();
    await clock.elapseMs(1_000);
    await closing;
    expect(done.error).toBeInstanceOf(ShutdownError);
    await expect(pool.control.recycle(10)).rejects.toBeInstanceOf(ShutdownError);
  });
});
