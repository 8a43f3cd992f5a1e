// A trip gets a connection, or waits for one, or is turned away: with connections that answer from a script.
import { describe, expect, it } from '@jest/globals';
import { PoolOverloadedError, PoolTimeoutError, QueryTimeoutError } from '../kernel/errors.js';
import type { FakeClock } from '../testing/fake-clock.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import type { BenchedPool } from '../testing/pool-bench.js';
import { stageContract } from '../testing/stage-contract.js';
import { Lease } from './lease.js';
import type { PoolOptions } from './pool.options.js';

interface Rig extends BenchedPool {
  readonly bench: PoolBench;
  readonly clock: FakeClock;
  readonly driver: FakeDriver;
}

function build(options?: Partial<PoolOptions>, clock?: FakeClock): Rig {
  const bench = new PoolBench(clock);
  return { bench, clock: bench.clock, driver: bench.driver, ...bench.pool(options) };
}

describe('the contract of a stage', () => {
  const cases = stageContract((rest, clock) => {
    const { pool, driver, enter } = build({ max: 5 }, clock);
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
    const { bench, clock, driver, enter, pool } = build({ max: 1, acquireTimeoutMs: 300 });
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
    const { bench, clock, driver, enter } = build({ max: 1, acquireTimeoutMs: 3_000 });
    driver.script = () => ({ hangs: true });
    bench.send(enter);
    await clock.elapseMs(0);
    const waiting = bench.send(enter, { timeoutMs: 100 });
    await clock.elapseMs(105);
    expect(waiting.ends).toEqual([{ error: expect.any(PoolTimeoutError) }]);
  });

  it('runs no longer than statementTimeoutMs, unless it has a time of its own', async () => {
    const { bench, clock, driver, enter } = build({ max: 2, statementTimeoutMs: 200 });
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
      const { bench, clock, driver, enter, pool } = build({ statementTimeoutMs: 200 });
      const told = bench.record('cancel:failed');
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
    const { bench, clock, driver, enter, pool } = build({ max: 1, maxWaiting: 2 });
    driver.script = () => ({ hangs: true });
    bench.send(enter);
    await clock.elapseMs(0);
    const [first, second, third] = [0, 1, 2].map(() => bench.send(enter));
    expect(third?.ends).toEqual([{ error: expect.any(PoolOverloadedError) }]);
    expect([first?.ends, second?.ends]).toEqual([[], []]);
    expect(pool.stats()).toMatchObject({ waiting: 2, refused: 1 });
  });

  it('that wants a lease gets one', async () => {
    const { bench, clock, enter, pool } = build();
    const { ends } = bench.send(enter, { wants: 'lease' });
    await clock.elapseMs(0);
    expect(ends).toEqual([{ result: expect.any(Lease) }]);
    expect(pool.leases.size).toBe(1);
    for (const lease of pool.leases) lease.release();
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('that is pinned goes to its own connection and takes none', () => {
    const { bench, driver, enter } = build();
    const seen: unknown[] = [];
    const pinned = { node: 'primary', enter: (trip: unknown) => void seen.push(trip) };
    const { trip } = bench.send(enter, { pinned });
    expect(seen).toEqual([trip]);
    expect(driver.attempts).toBe(0);
  });
});
