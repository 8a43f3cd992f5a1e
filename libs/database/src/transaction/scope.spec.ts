// The gate and the turns of a scope: which statement runs now, which waits, which is refused.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { QueryTimeoutError, ShutdownError, UsageError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import { Events } from '../kernel/events.js';
import { Lease } from '../pool/lease.js';
import { POOL_DEFAULTS } from '../pool/pool.options.js';
import { Pool } from '../pool/pool.js';
import { PoolStage } from '../pool/pool.stage.js';
import { last } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeDriver } from '../testing/fake-driver.js';
import { TripBench } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import { Scope } from './scope.js';
import type { ScopeKind } from './scope.js';

let clock: FakeClock;
let driver: FakeDriver;
let bench: TripBench;
let pool: Pool;
let lease: Lease;

beforeEach(async () => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  bench = new TripBench(clock);
  const connect = (): ReturnType<FakeDriver['connect']> =>
    driver.connect({} as ConnectionTarget, 1_000);
  const options = { ...POOL_DEFAULTS, max: 1, min: 0 };
  pool = new Pool({ node: 'primary', options, clock, events: new Events(), connect });
  const { ends } = bench.send(last(new PoolStage(pool, clock)), { wants: 'lease' });
  await clock.elapseMs(0);
  lease = (ends[0] as unknown as { result: Lease }).result;
  expect(lease).toBeInstanceOf(Lease);
});

afterEach(async () => {
  if (!lease.isReleased) lease.release();
  const closing = pool.close();
  await clock.elapseMs(20_000);
  await closing;
  expect(bench.wheel.size).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});

const scopeOf = (kind: ScopeKind, deadlineAtMs = Number.POSITIVE_INFINITY): Scope =>
  new Scope({ kind, lease, clock, parent: undefined, deadlineAtMs });
const run = (scope: Scope, text: string, request: Partial<TripRequest> = {}): BenchedTrip =>
  bench.send((trip) => scope.enter(trip), { statement: { text }, pinned: scope, ...request });
const errorOf = ({ ends }: BenchedTrip): unknown => {
  const [end] = ends;
  return end !== undefined && 'error' in end ? end.error : undefined;
};

/** A scope inside an open transaction. */
async function transaction(deadlineAtMs?: number): Promise<Scope> {
  const scope = scopeOf('transaction', deadlineAtMs);
  bench.send((trip) => lease.enter(trip), { statement: { text: 'BEGIN' } });
  await clock.elapseMs(0);
  return scope;
}

describe('the gate', () => {
  it('lets statements through in their order while no inner scope is open', async () => {
    const scope = await transaction();
    for (const text of ['a', 'b', 'c']) run(scope, text);
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'a', 'b', 'c']);
  });

  it('holds statements of the outer scope while an inner one is open, and lets its own through', async () => {
    const outer = await transaction();
    const inner = await outer.openInner();
    const held = [run(outer, 'outer 1'), run(outer, 'outer 2')];
    run(inner, 'inner');
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'inner']);
    outer.closeInner();
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'inner', 'outer 1', 'outer 2']);
    expect(held.map(({ ends }) => ends.length)).toEqual([1, 1]);
  });

  it('lets a statement that waits go when its caller does', async () => {
    const outer = await transaction();
    await outer.openInner();
    const controller = new AbortController();
    const leaving = run(outer, 'leaving', { signal: controller.signal });
    const interrupted = run(outer, 'interrupted');
    controller.abort();
    interrupted.trip.interrupt(new ShutdownError('closing'));
    expect([leaving, interrupted].map(({ ends }) => ends.length)).toEqual([1, 1]);
    outer.closeInner();
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN']);
  });

  it('holds nobody longer than his time, and says what he waited for', async () => {
    const outer = await transaction(1_000);
    await outer.openInner();
    const patient = run(outer, 'patient');
    const short = run(outer, 'short', { timeoutMs: 100 });
    await clock.elapseMs(110);
    expect(errorOf(short)).toBeInstanceOf(QueryTimeoutError);
    expect(errorOf(short)).toMatchObject({ safeToRetry: true, cause: expect.any(UsageError) });
    await clock.elapseMs(900);
    expect(errorOf(patient)).toBeInstanceOf(QueryTimeoutError);
    outer.closeInner();
  });

  it('gives each statement the deadline of the scope, when its own is later', async () => {
    const scope = await transaction(1_000);
    expect(run(scope, 'a', { timeoutMs: 5_000 }).trip.deadlineAtMs).toBe(1_000);
    expect(run(scope, 'b', { timeoutMs: 500 }).trip.deadlineAtMs).toBe(500);
    expect(run(scope, 'c').trip.deadlineAtMs).toBe(1_000);
    await clock.elapseMs(0);
  });
});

describe('turns', () => {
  it('are taken one after the other, first come first served', async () => {
    const outer = await transaction();
    const order: number[] = [];
    const visit = async (number: number): Promise<void> => {
      const inner = await outer.openInner();
      order.push(number);
      await clock.sleep(10);
      inner.end();
      outer.closeInner();
    };
    const visits = Promise.all([1, 2, 3, 4].map(visit));
    await clock.elapseMs(15);
    expect(order).toEqual([1, 2]);
    await clock.elapseMs(100);
    await visits;
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('all end when the outer scope does: nobody waits for ever', async () => {
    const outer = await transaction();
    await outer.openInner();
    const waiting = [1, 2, 3].map(() => outer.openInner().catch((error: unknown) => error));
    outer.end(new UsageError('over'));
    for (const error of await Promise.all(waiting)) expect(error).toBeInstanceOf(UsageError);
  });

  it('are not given by a scope that is over', async () => {
    const outer = await transaction();
    outer.end();
    await expect(outer.openInner()).rejects.toBeInstanceOf(UsageError);
  });

  it('nest: an inner scope has a gate of its own', async () => {
    const outer = await transaction();
    const middle = await outer.openInner();
    const inner = await middle.openInner();
    expect([outer.depth, middle.depth, inner.depth]).toEqual([0, 1, 2]);
    expect([inner.kind, inner.parent, middle.parent]).toEqual(['savepoint', middle, outer]);
    run(outer, 'outer');
    run(middle, 'middle');
    run(inner, 'inner');
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'inner']);
    middle.closeInner();
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'inner', 'middle']);
    outer.closeInner();
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'inner', 'middle', 'outer']);
  });
});

describe('the end', () => {
  it('lets nothing in any more, and says how that came', async () => {
    const scope = await transaction();
    scope.end();
    const late = run(scope, 'late');
    expect(errorOf(late)).toBeInstanceOf(UsageError);
    expect((errorOf(late) as Error).message).toMatch(/The transaction has ended.*afterCommit/);
    expect(() => scope.requireActive()).toThrow(UsageError);
    expect(driver.texts).toEqual(['BEGIN']);
  });

  it('of an outer scope is the end of those inside it', async () => {
    const outer = await transaction();
    const inner = await outer.openInner();
    outer.end(new UsageError('over'));
    expect(inner.isActive).toBe(false);
    expect(errorOf(run(inner, 'stray'))).toBeInstanceOf(UsageError);
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN']);
  });

  it('with an error refuses what waits, at the gate and behind the statement under way', async () => {
    driver.script = () => ({ afterMs: 10 });
    const scope = scopeOf('transaction');
    const running = run(scope, 'running');
    const queued = run(scope, 'queued');
    await scope.openInner();
    const gated = run(scope, 'gated');
    const over = new UsageError('over');
    scope.end(over);
    expect([errorOf(queued), errorOf(gated)]).toEqual([over, over]);
    expect(running.ends).toEqual([]);
    await clock.elapseMs(10);
    expect(running.ends).toHaveLength(1);
    expect(driver.texts).toEqual(['running']);
  });

  it('without one lets what waits on the connection run', async () => {
    driver.script = () => ({ afterMs: 10 });
    const scope = scopeOf('session');
    const trips = [run(scope, 'running'), run(scope, 'queued')];
    scope.end();
    await clock.elapseMs(20);
    expect(trips.map((trip) => errorOf(trip))).toEqual([undefined, undefined]);
    expect(driver.texts).toEqual(['running', 'queued']);
  });

  it('must not come while an inner scope is open', async () => {
    const scope = await transaction();
    expect(() => scope.requireNoInner()).not.toThrow();
    await scope.openInner();
    expect(() => scope.requireNoInner()).toThrow(/nested transaction inside it was under way/);
  });
});

describe('failures inside', () => {
  it('after the first one are explained by it', async () => {
    const first = new QueryError('duplicate key', { sqlState: '23505' });
    driver.script = ({ text }) => (text === 'bad' ? { error: first } : undefined);
    const scope = await transaction();
    const bad = run(scope, 'bad');
    const later = run(scope, 'later');
    await clock.elapseMs(0);
    expect(errorOf(bad)).toBe(first);
    expect(scope.firstError).toBe(first);
    expect(errorOf(later)).toMatchObject({ sqlState: '25P02', cause: first });
    expect((errorOf(later) as Error).message).toMatch(/had failed before, with: duplicate key/);
  });

  it('by a statement that ends the transaction doom it, and tell the culprit', async () => {
    const scope = await transaction();
    const culprit = run(scope, 'COMMIT');
    await clock.elapseMs(0);
    expect(errorOf(culprit)).toBeInstanceOf(UsageError);
    expect(scope.doomedBy).toBe(errorOf(culprit));
  });

  it('are none in a session, which has no transaction to end', async () => {
    const scope = scopeOf('session');
    const trip = run(scope, 'SELECT 1');
    await clock.elapseMs(0);
    expect(errorOf(trip)).toBeUndefined();
    expect(scope.doomedBy).toBeUndefined();
  });
});

describe('enclosing', () => {
  it('holds for the scope itself and what is inside it', async () => {
    const outer = await transaction();
    const inner = await outer.openInner();
    expect(outer.encloses(inner)).toBe(true);
    expect(outer.encloses(outer)).toBe(true);
    expect(inner.encloses(outer)).toBe(false);
    expect(outer.encloses(undefined)).toBe(false);
    expect(outer.encloses(scopeOf('session'))).toBe(false);
  });
});
