// A trip gets a connection, or waits for one, or is turned away: with connections that answer from a script.
import { describe, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { PoolOverloadedError, PoolTimeoutError, QueryTimeoutError } from '../kernel/errors.js';
import { Events } from '../kernel/events.js';
import { last } from '../query/stage.js';
import type { Enter } from '../query/stage.js';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeDriver } from '../testing/fake-driver.js';
import { stageContract } from '../testing/stage-contract.js';
import { TripBench } from '../testing/trip-bench.js';
import { Lease } from './lease.js';
import { POOL_DEFAULTS } from './pool.options.js';
import type { PoolOptions } from './pool.options.js';
import { Pool } from './pool.js';
import { PoolStage } from './pool.stage.js';

interface Rig {
  readonly pool: Pool;
  readonly driver: FakeDriver;
  readonly bench: TripBench;
  readonly clock: FakeClock;
  readonly enter: Enter;
  readonly events: Events;
}

function build(clock: FakeClock, options: Partial<PoolOptions> = {}): Rig {
  const driver = new FakeDriver(clock);
  const whole = { ...POOL_DEFAULTS, min: 0, ...options };
  const connect = (): ReturnType<FakeDriver['connect']> =>
    driver.connect({} as ConnectionTarget, whole.connectTimeoutMs);
  const events = new Events();
  const pool = new Pool({ node: 'primary', options: whole, clock, events, connect });
  return {
    events,
    pool,
    driver,
    clock,
    bench: new TripBench(clock),
    enter: last(new PoolStage(pool, clock)),
  };
}

describe('the contract of a stage', () => {
  const cases = stageContract((rest, clock) => {
    const { pool, driver, enter } = build(clock, { max: 5 });
    driver.script = ({ text }) => {
      if (text !== 'SELECT 1') return undefined;
      const answer = rest.play();
      if (answer === 'nothing') return { hangs: true };
      return 'error' in answer ? { error: answer.error } : {};
    };
    return { enter, close: () => pool.close() };
  });
  for (const { name, run } of cases) it(name, run);
});

describe('a trip at the pool', () => {
  it('waits no longer than acquireTimeoutMs, and its wait is measured', async () => {
    const clock = new FakeClock();
    const { bench, driver, enter, pool } = build(clock, { max: 1, acquireTimeoutMs: 300 });
    driver.script = () => ({ hangs: true });
    const holder = bench.send(enter);
    await clock.elapseMs(0);
    const waiting = bench.send(enter);
    await clock.elapseMs(305);
    expect(waiting.ends).toEqual([{ error: expect.any(PoolTimeoutError) }]);
    expect(waiting.trip.waitMs).toBeGreaterThanOrEqual(300);
    expect(holder.ends).toEqual([]);
    expect(pool.stats()).toMatchObject({ waiting: 0, leased: 1, acquireTimeouts: 1 });
  });

  it('waits no longer than its own deadline', async () => {
    const clock = new FakeClock();
    const { bench, driver, enter } = build(clock, { max: 1, acquireTimeoutMs: 3_000 });
    driver.script = () => ({ hangs: true });
    bench.send(enter);
    await clock.elapseMs(0);
    const waiting = bench.send(enter, { timeoutMs: 100 });
    await clock.elapseMs(105);
    expect(waiting.ends).toEqual([{ error: expect.any(PoolTimeoutError) }]);
  });

  it('runs no longer than statementTimeoutMs, unless it has a time of its own', async () => {
    const clock = new FakeClock();
    const { bench, driver, enter } = build(clock, { max: 2, statementTimeoutMs: 200 });
    driver.script = () => ({ hangs: true });
    const ordinary = bench.send(enter);
    const patient = bench.send(enter, { timeoutMs: 1_000 });
    await clock.elapseMs(210);
    expect(ordinary.ends).toEqual([{ error: expect.any(QueryTimeoutError) }]);
    expect(patient.ends).toEqual([]);
    await clock.elapseMs(800);
    expect(patient.ends).toEqual([{ error: expect.any(QueryTimeoutError) }]);
    expect(driver.connections.map(({ cancels }) => cancels)).toEqual([1, 1]);
  });

  it.each([
    ['not taken up', 2_000],
    ['no effect', 0],
  ])(
    'that cannot be stopped loses its connection, which is told: %s',
    async (because, cancelMs) => {
      const clock = new FakeClock();
      const { bench, driver, enter, events, pool } = build(clock, { statementTimeoutMs: 200 });
      const told: unknown[] = [];
      events.on('cancel:failed', (facts) => told.push(facts));
      driver.cancelMs = cancelMs;
      driver.script = () => ({ hangs: true, ignoresCancel: true });
      bench.send(enter);
      await clock.elapseMs(210);
      await clock.elapseMs(900);
      expect(told).toEqual([]);
      await clock.elapseMs(200);
      const text = 'SELECT 1';
      expect(told).toEqual([{ node: 'primary', backendPid: 1_000, text, because }]);
      expect(pool.stats()).toMatchObject({ leased: 0, total: 0 });
    },
  );

  it('is turned away at once when maxWaiting others wait', async () => {
    const clock = new FakeClock();
    const { bench, driver, enter, pool } = build(clock, { max: 1, maxWaiting: 2 });
    driver.script = () => ({ hangs: true });
    bench.send(enter);
    await clock.elapseMs(0);
    const [first, second, third] = [0, 1, 2].map(() => bench.send(enter));
    expect(third?.ends).toEqual([{ error: expect.any(PoolOverloadedError) }]);
    expect([first?.ends, second?.ends]).toEqual([[], []]);
    expect(pool.stats()).toMatchObject({ waiting: 2, refused: 1 });
  });

  it('that wants a lease gets one', async () => {
    const clock = new FakeClock();
    const { bench, enter, pool } = build(clock);
    const { ends } = bench.send(enter, { wants: 'lease' });
    await clock.elapseMs(0);
    expect(ends).toEqual([{ result: expect.any(Lease) }]);
    expect(pool.leases.size).toBe(1);
    for (const lease of pool.leases) lease.release();
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('that is pinned goes to its own connection and takes none', () => {
    const clock = new FakeClock();
    const { bench, driver, enter } = build(clock);
    const seen: unknown[] = [];
    const pinned = { node: 'primary', enter: (trip: unknown) => void seen.push(trip) };
    const { trip } = bench.send(enter, { pinned });
    expect(seen).toEqual([trip]);
    expect(driver.attempts).toBe(0);
  });
});
