// Who waits, who is served first and who is sent away: a pool under more load than it can carry.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PoolOverloadedError, PoolTimeoutError, QueryAbortedError } from '../kernel/errors.js';
import type { Enter } from '../query/stage.js';
import type { Priority } from '../query/query.js';
import type { TripRequest } from '../query/trip.js';
import type { FakeClock } from '../testing/fake-clock.js';
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
  expect(pool.stats()).toMatchObject({ waiting: 0, leased: 0, total: 0 });
});

/** A pool of 2 connections, on which each statement takes 100 ms: 20 a second. */
async function start(options: Partial<PoolOptions> = {}): Promise<void> {
  ({ pool, enter } = bench.pool({ max: 2, min: 2, statementTimeoutMs: 60_000, ...options }));
  driver.script = ({ text }) => (text === '' ? {} : { afterMs: 100 });
  pool.start();
  await clock.elapseMs(0);
}

const send = (request: Partial<TripRequest> = {}): BenchedTrip => bench.send(enter, request);
const crowd = (count: number, priority?: Priority): BenchedTrip[] =>
  Array.from({ length: count }, () => send({ priority }));
const answered = (list: readonly BenchedTrip[]): BenchedTrip[] => list.filter(isAnswered);
const refused = (list: readonly BenchedTrip[]): BenchedTrip[] =>
  list.filter((one) => errorOf(one) instanceof PoolOverloadedError);

/** `perStep` callers come each 100 ms. */
async function load(steps: number, perStep: number, priority?: Priority): Promise<BenchedTrip[]> {
  const list: BenchedTrip[] = [];
  for (let step = 0; step < steps; step++) {
    list.push(...crowd(perStep, priority));
    await clock.elapseMs(100);
  }
  return list;
}

describe('a burst', () => {
  it('is served whole when that is possible within acquireTimeoutMs', async () => {
    await start();
    const list = crowd(95);
    await clock.elapseMs(5_000);
    expect(answered(list)).toHaveLength(95);
    expect(pool.stats()).toMatchObject({ shed: 0, refused: 0, acquireTimeouts: 0 });
  });

  it('at the start is not shed for the time in which no connection stood', async () => {
    driver.connectScript = () => ({ afterMs: 1_900 });
    await start({ queueTargetMs: 200, queueIntervalMs: 1_000, min: 0 });
    const list = crowd(20);
    await clock.elapseMs(1_900 + 1_100);
    expect(answered(list)).toHaveLength(20);
    expect(pool.stats().shed).toBe(0);
  });

  it('that comes again and again is served as long as the queue is empty in between', async () => {
    await start({ queueTargetMs: 100, queueIntervalMs: 1_000 });
    for (let round = 0; round < 20; round++) {
      const list = crowd(18);
      await clock.elapseMs(1_000);
      expect(answered(list)).toHaveLength(18);
    }
    expect(pool.stats().shed).toBe(0);
  });
});

describe('a load above what the pool can do', () => {
  it('is shed after an interval: those who wait too long go, those who come are served soon', async () => {
    await start();
    const overloaded = bench.record('pool:overloaded');
    const list = await load(300, 4);
    const early = list.slice(0, 60);
    expect(answered(early)).toHaveLength(60);
    const late = list.slice(600, 1_000);
    // Half of four in 100 ms is what the pool can do: not one connection stood idle.
    expect(answered(late).length).toBeGreaterThanOrEqual(195);
    const waits = answered(late).map(({ trip }) => trip.waitMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2_500);
    expect(waits.toSorted((a, b) => a - b)[Math.floor(waits.length / 2)]).toBeLessThan(200);
    const gone = refused(list);
    expect(gone.length).toBeGreaterThan(100);
    for (const { trip } of gone) expect(trip.waitMs).toBeGreaterThan(2_500);
    expect(pool.stats().shed).toBe(gone.length);
    expect(overloaded).toEqual([
      { node: 'primary', leased: 2, max: 2, waiting: expect.any(Number), reason: 'slow' },
    ]);
  });

  it('tells callers what it tells of a full queue: figures, when to come back, that nothing was sent', async () => {
    await start();
    const gone = refused(await load(120, 4));
    const error = errorOf(gone[0] as BenchedTrip) as PoolOverloadedError;
    expect(error).toMatchObject({ code: 'DB_POOL_OVERLOADED', safeToRetry: true, reason: 'slow' });
    expect(error.pool).toMatchObject({ leased: 2, max: 2 });
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(error.message).toContain('pool.queueTargetMs');
  });

  it('is over at once when the queue is empty', async () => {
    await start();
    const recovered = bench.record('pool:recovered');
    const list = await load(120, 4);
    const { shed } = pool.stats();
    expect(shed).toBeGreaterThan(0);
    await clock.elapseMs(10_000);
    expect(recovered).toEqual([
      expect.objectContaining({ refused: pool.stats().shed, waiting: 0, node: 'primary' }),
    ]);
    const burst = crowd(60);
    await clock.elapseMs(3_100);
    expect(answered(burst)).toHaveLength(60);
    expect(list.every(({ ends }) => ends.length === 1)).toBe(true);
  });

  it('is shed though nothing comes back and nobody comes', async () => {
    await start({ queueTargetMs: 300, queueIntervalMs: 2_000, acquireTimeoutMs: 60_000 });
    driver.script = ({ text }) => (text === '' ? {} : { hangs: true });
    const list = crowd(10);
    await clock.elapseMs(5_000);
    expect(refused(list)).toHaveLength(8);
    for (const one of answered(list)) expect(one.ends).toHaveLength(1);
  });

  it('is never shed when that is turned off: callers wait for acquireTimeoutMs', async () => {
    await start({ queueTargetMs: 0 });
    const list = await load(200, 4);
    await clock.elapseMs(6_000);
    expect(refused(list)).toHaveLength(0);
    const timeouts = list.filter((one) => errorOf(one) instanceof PoolTimeoutError);
    expect(timeouts.length).toBeGreaterThan(100);
  });

  it('costs somebody who leaves while others are shed nothing but his own wait', async () => {
    await start({ queueTargetMs: 300, queueIntervalMs: 1_000 });
    const controllers: AbortController[] = [];
    const list: BenchedTrip[] = [];
    // Each who is shed takes along somebody who waits, synchronously: from within his refusal.
    for (let step = 0; step < 100; step++) {
      for (let n = 0; n < 4; n++) {
        const controller = new AbortController();
        controllers.push(controller);
        const benched = bench.open({ signal: controller.signal });
        const { push } = benched.ends;
        benched.ends.push = (...ends) => {
          if ('error' in (ends[0] ?? {})) controllers[controllers.length - 1]?.abort();
          return push.apply(benched.ends, ends);
        };
        enter(benched.trip);
        list.push(benched);
      }
      await clock.elapseMs(100);
    }
    await clock.elapseMs(10_000);
    expect(list.every(({ ends }) => ends.length === 1)).toBe(true);
    const aborted = list.filter((one) => errorOf(one) instanceof QueryAbortedError);
    expect(aborted.length).toBeGreaterThan(5);
    expect(pool.stats()).toMatchObject({ waiting: 0, shed: refused(list).length });
  });

  it('is judged by the monotonic clock: the wall clock may jump by hours', async () => {
    await start();
    const list: BenchedTrip[] = [];
    for (let step = 0; step < 20; step++) {
      clock.jumpWallMs(step % 2 === 0 ? 7_200_000 : -86_400_000);
      list.push(...crowd(4));
      await clock.elapseMs(100);
    }
    await clock.elapseMs(2_500);
    expect(answered(list)).toHaveLength(80);
    expect(pool.stats()).toMatchObject({ shed: 0, acquireTimeouts: 0, closed: 0, leaks: 0 });
  });
});

describe('priorities', () => {
  it('high goes first, low last', async () => {
    await start({ max: 1, min: 1 });
    crowd(1);
    const low = crowd(3, 'low');
    const normal = crowd(3);
    const high = crowd(2, 'high');
    await clock.elapseMs(310);
    expect([high, normal, low].map((list) => answered(list).length)).toEqual([2, 0, 0]);
    await clock.elapseMs(300);
    expect([high, normal, low].map((list) => answered(list).length)).toEqual([2, 3, 0]);
    await clock.elapseMs(300);
    expect(answered(low)).toHaveLength(3);
  });

  it('a full queue sends low away for normal, and both for high; high itself only when all are', async () => {
    await start({ max: 1, min: 1, maxWaiting: 4 });
    crowd(1);
    const low = crowd(2, 'low');
    const normal = crowd(2);
    const late = crowd(1, 'low');
    expect(refused(late)).toHaveLength(1);
    expect(refused(low)).toHaveLength(0);
    const more = crowd(1);
    expect(refused(low)).toEqual([low[1]]);
    const high = crowd(3, 'high');
    expect(refused(low)).toHaveLength(2);
    expect(refused(more)).toHaveLength(1);
    expect(refused(normal)).toEqual([normal[1]]);
    const last = crowd(2, 'high');
    expect(refused(normal)).toHaveLength(2);
    expect(refused([...high, ...last])).toEqual([last[1]]);
    expect(pool.stats()).toMatchObject({ waiting: 4, refused: 7 });
  });

  it('under overload low is shed before normal, and high never', async () => {
    await start({ queueTargetMs: 1_000, queueIntervalMs: 1_000 });
    const lists = {
      high: [] as BenchedTrip[],
      normal: [] as BenchedTrip[],
      low: [] as BenchedTrip[],
    };
    for (let step = 0; step < 200; step++) {
      if (step % 2 === 0) lists.high.push(...crowd(1, 'high'));
      lists.normal.push(...crowd(1));
      lists.low.push(...crowd(2, 'low'));
      await clock.elapseMs(100);
    }
    await clock.elapseMs(3_000);
    expect(answered(lists.high)).toHaveLength(100);
    expect(Math.max(...lists.high.map(({ trip }) => trip.waitMs))).toBeLessThan(400);
    const share = (list: BenchedTrip[]): number => refused(list).length / list.length;
    expect(share(lists.low)).toBeGreaterThan(0.5);
    expect(share(lists.normal)).toBeLessThan(0.1);
  });

  it('low is served in the end, under a load of high that uses up the pool', async () => {
    await start({ acquireTimeoutMs: 60_000, queueTargetMs: 0 });
    crowd(10, 'high');
    const low = crowd(10, 'low');
    // Two of high come for each two that are served: without an end, somebody more urgent waits.
    await load(60, 2, 'high');
    expect(answered(low)).toHaveLength(10);
  });
});
