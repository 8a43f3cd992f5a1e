// A borrowed connection: its statements in their order, its end exactly once.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryTimeoutError, UsageError } from '../kernel/errors.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import type { FakeClock } from '../testing/fake-clock.js';
import type { FakeConnection } from '../testing/fake-connection.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import { errorOf } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import type { Lease } from './lease.js';
import type { Pool } from './pool.js';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let enter: Enter;
let lease: Lease;

beforeEach(async () => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
  ({ pool, enter } = bench.pool({ max: 1, statementTimeoutMs: 1_000 }));
  lease = await bench.lend(enter);
});

afterEach(async () => {
  if (!lease.isReleased) lease.release();
  await bench.close(pool);
  expect(bench.wheel.size).toBe(0);
  expect(pool.leases.size).toBe(0);
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

const run = (text: string, request: Partial<TripRequest> = {}): BenchedTrip =>
  bench.run(lease, text, request);
const connection = (): FakeConnection => driver.connections[0] as FakeConnection;

describe('statements on a lease', () => {
  it('run one after the other, in the order in which they were given', async () => {
    driver.script = () => ({ afterMs: 10 });
    const trips = ['a', 'b', 'c'].map((text) => run(text));
    expect(connection().runningText).toBe('a');
    await clock.elapseMs(15);
    expect(connection().runningText).toBe('b');
    await clock.elapseMs(20);
    expect(driver.texts).toEqual(['a', 'b', 'c']);
    expect(trips.map(({ ends }) => ends.length)).toEqual([1, 1, 1]);
  });

  it('go on after one that fails', async () => {
    driver.script = ({ text }) => (text === 'a' ? { error: new UsageError('no') } : undefined);
    const [a, b] = [run('a'), run('b')];
    await clock.elapseMs(0);
    expect(errorOf(a)).toBeInstanceOf(UsageError);
    expect(b.ends).toEqual([{ result: expect.anything() }]);
  });

  it('can be given from inside of an answer', async () => {
    let inner: BenchedTrip | undefined;
    const trip = run('a');
    bench.finishedTrips.push = (finished) => {
      if (finished === trip.trip) inner = run('b');
      return 0;
    };
    await clock.elapseMs(0);
    expect(inner?.ends).toEqual([{ result: expect.anything() }]);
  });

  it('leave the queue when their caller does, and cost the others nothing', async () => {
    driver.script = () => ({ afterMs: 10 });
    const controller = new AbortController();
    const first = run('a');
    const leaving = run('b', { signal: controller.signal });
    const last_ = run('c');
    controller.abort();
    expect(leaving.ends).toHaveLength(1);
    await clock.elapseMs(30);
    expect(driver.texts).toEqual(['a', 'c']);
    expect([first, last_].map(({ ends }) => ends.length)).toEqual([1, 1]);
  });

  it('wait no longer than their time', async () => {
    driver.script = () => ({ afterMs: 900 });
    run('a');
    const waiting = run('b', { timeoutMs: 100 });
    await clock.elapseMs(110);
    expect(waiting.ends).toHaveLength(1);
    expect((errorOf(waiting) as Error).message).toMatch(/its turn/);
    await clock.elapseMs(1_000);
    expect(driver.texts).toEqual(['a']);
  });

  it('that take too long are cancelled, and the next one runs', async () => {
    driver.script = ({ text }) => (text === 'a' ? { hangs: true } : {});
    const slow = run('a');
    const next = run('b');
    await clock.elapseMs(1_010);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(connection().cancels).toBe(1);
    expect(next.ends).toEqual([{ result: expect.anything() }]);
  });

  it('that cannot be cancelled cost the connection after a second of grace', async () => {
    driver.script = () => ({ hangs: true, ignoresCancel: true });
    const slow = run('a');
    const next = run('b', { timeoutMs: 60_000 });
    await clock.elapseMs(1_010);
    expect(slow.ends).toHaveLength(1);
    expect(lease.isUsable).toBe(true);
    await clock.elapseMs(1_000);
    expect(lease.isUsable).toBe(false);
    expect(errorOf(next)).toBeInstanceOf(ConnectionError);
  });

  it('are not hit by a cancel that was meant for the one before and comes late', async () => {
    lease.release();
    // A connection whose CancelRequests take their time.
    driver.open[0]?.destroy();
    driver.cancelMs = 50;
    lease = await bench.lend(enter);
    driver.script = ({ text }) => ({ afterMs: text === 'a' ? 1_010 : 200 });
    const slow = run('a');
    const next = run('b', { timeoutMs: 60_000 });
    await clock.elapseMs(2_000);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(next.ends).toEqual([{ result: expect.anything() }]);
  });

  it('of which a COMMIT that takes too long is never cancelled', async () => {
    driver.script = () => ({ hangs: true });
    const slow = run('COMMIT', { uncancellable: true });
    await clock.elapseMs(1_010);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(connection().cancels).toBe(0);
    connection().answer();
  });

  it('all fail once the connection is lost', async () => {
    driver.script = () => ({ hangs: true });
    const running = run('a');
    const queued = run('b');
    connection().lose('reset by peer');
    await clock.elapseMs(0);
    expect(errorOf(running)).toMatchObject({ code: 'DB_CONNECTION', safeToRetry: false });
    expect(errorOf(queued)).toMatchObject({ code: 'DB_CONNECTION' });
    expect(lease.isUsable).toBe(false);
  });
});

describe('thousands of statements on a lease', () => {
  it.each<[string, Partial<TripRequest>]>([
    ['whose connection is lost', {}],
    ['whose values cannot be sent', { statement: { text: 'b', values: [Symbol('no')] } }],
  ])('%s fail one by one, and overflow no stack', async (_, request) => {
    driver.script = () => ({ hangs: true });
    run('a');
    const queued = Array.from({ length: 20_000 }, () => run('b', request));
    if (request.statement === undefined) connection().lose('reset by peer');
    else connection().answer();
    await clock.elapseMs(0);
    expect(queued.filter((trip) => errorOf(trip) !== undefined)).toHaveLength(20_000);
  });
});

describe('the end of a lease', () => {
  it('comes once: the second release says so', async () => {
    lease.release();
    expect(() => lease.release()).toThrow(UsageError);
    expect(pool.stats()).toMatchObject({ idle: 1, leased: 0 });
  });

  it('refuses whatever comes afterwards, and touches nobody else', async () => {
    lease.release();
    const late = run('SELECT late');
    expect(errorOf(late)).toBeInstanceOf(UsageError);
    expect(() => lease.connection).toThrow(/after its release/);
    expect(driver.texts).toEqual([]);
  });

  it('waits for the statement under way, and refuses those behind it', async () => {
    driver.script = () => ({ afterMs: 10 });
    const running = run('a');
    const queued = run('b');
    lease.release();
    expect(errorOf(queued)).toBeInstanceOf(UsageError);
    expect(pool.stats().leased).toBe(1);
    await clock.elapseMs(10);
    expect(running.ends).toEqual([{ result: expect.anything() }]);
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('inside a transaction is told, and rolled back', async () => {
    const dirty = bench.record('lease:dirty');
    run('BEGIN');
    await clock.elapseMs(0);
    lease.release();
    await clock.elapseMs(0);
    expect(dirty).toEqual([expect.objectContaining({ lastText: 'BEGIN' })]);
    expect(driver.texts).toEqual(['BEGIN', 'ROLLBACK']);
    expect(pool.stats()).toMatchObject({ idle: 1 });
  });

  it('takes back what the session may have set, when it is asked to', async () => {
    run('BEGIN');
    await clock.elapseMs(0);
    lease.release({ reset: true });
    await clock.elapseMs(0);
    expect(driver.texts.slice(0, 2)).toEqual(['BEGIN', 'ROLLBACK']);
    expect(driver.texts[2]).toMatch(/RESET ALL.*pg_advisory_unlock_all.*DISCARD TEMP/);
    expect(pool.stats()).toMatchObject({ idle: 1 });
  });

  it('costs the connection when that cannot be taken back', async () => {
    driver.script = ({ text }) =>
      text.includes('RESET ALL') ? { error: new UsageError('no') } : undefined;
    lease.release({ reset: true });
    await clock.elapseMs(0);
    expect(pool.stats()).toMatchObject({ total: 0 });
  });

  it('by a drop costs the connection at once, and what runs on it is told', async () => {
    driver.script = () => ({ hangs: true });
    const running = run('a');
    lease.drop('its COMMIT was not answered');
    lease.drop('again');
    await clock.elapseMs(0);
    expect(errorOf(running)).toBeInstanceOf(ConnectionError);
    expect(pool.stats()).toMatchObject({ total: 0, closed: 1 });
  });
});

describe('the facts of a lease', () => {
  it('tell how long it is held and what ran last', async () => {
    run('SELECT one');
    await clock.elapseMs(250);
    expect(lease.facts()).toEqual({
      node: 'primary',
      backendPid: 1_000,
      heldMs: 250,
      lastText: 'SELECT one',
      borrowedAt: undefined,
    });
  });
});
