// A connection that goes to the next transaction while the COMMIT of the last one is under way: who takes it, and what
// becomes of both when something goes wrong.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryTimeoutError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import type { FakeClock } from '../testing/fake-clock.js';
import type { FakeAnswer } from '../testing/fake-answer.js';
import type { FakeConnection } from '../testing/fake-connection.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { leaseOf, PoolBench } from '../testing/pool-bench.js';
import { errorOf } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import type { Lease } from './lease.js';
import type { Pool } from './pool.js';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let enter: Enter;
let first: Lease;
/** What COMMIT is answered; everything else is answered at once. */
let commitAnswer: FakeAnswer;

const COMMIT = { uncancellable: true, endsTransaction: true } as const;
const BEGINS = { wants: 'lease', beginsTransaction: true } as const;

beforeEach(async () => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
  commitAnswer = { afterMs: 10 };
  driver.script = ({ text }) => (text === 'COMMIT' ? commitAnswer : undefined);
  ({ pool, enter } = bench.pool({ max: 1, statementTimeoutMs: 1_000 }));
  first = await bench.lend(enter);
  first.begin(() => ['BEGIN']);
  bench.run(first, 'INSERT 1');
  await clock.elapseMs(0);
});

afterEach(async () => {
  await bench.close(pool);
  expect(bench.wheel.size).toBe(0);
  expect(pool.leases.size).toBe(0);
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

/** Somebody who asks the pool. */
async function asked(request: Partial<TripRequest>): Promise<BenchedTrip> {
  const trip = bench.send(enter, request);
  await clock.elapseMs(0);
  return trip;
}
/** The first one commits and is gone. */
function commitFirst(release?: { reset: boolean }): BenchedTrip {
  const commit = bench.run(first, 'COMMIT', COMMIT);
  first.release(release);
  return commit;
}
const connection = (): FakeConnection => driver.connections[0] as FakeConnection;

describe('a connection whose COMMIT is under way', () => {
  it('goes to the transaction that waits, whose BEGIN and first statement are sent behind', async () => {
    const waiting = await asked(BEGINS);
    expect(waiting.ends).toEqual([]);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    expect(second.transactionStatus).toBe('idle');
    second.begin(() => ['BEGIN']);
    expect(second.transactionStatus).toBe('open');
    const insert = bench.run(second, 'INSERT 2');
    expect(connection().underWay).toBe(2);
    expect(pool.stats()).toMatchObject({ leased: 1, acquiredCount: 2 });
    expect([...pool.leases]).toEqual([second]);
    expect([commit.ends, insert.ends]).toEqual([[], []]);
    await clock.elapseMs(10);
    expect(commit.ends).toEqual([{ result: expect.objectContaining({ command: 'COMMIT' }) }]);
    expect(insert.ends).toEqual([{ result: expect.anything() }]);
    expect(driver.texts).toEqual(['BEGIN', 'INSERT 1', 'COMMIT', 'BEGIN', 'INSERT 2']);
    expect(second.transactionStatus).toBe('open');
    bench.run(second, 'COMMIT', COMMIT);
    second.release();
    await clock.elapseMs(10);
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it.each<[string, Partial<TripRequest>]>([
    ['a statement in autocommit, which could not be repeated', { statement: { text: 'INSERT 2' } }],
    ['a session, whose first statement may be anything', { wants: 'lease' }],
  ])('does not go to %s', async (_, request) => {
    const waiting = await asked(request);
    commitFirst();
    await clock.elapseMs(9);
    expect(waiting.ends).toEqual([]);
    expect(connection().underWay).toBe(1);
    await clock.elapseMs(1);
    expect(waiting.ends).toHaveLength(1);
    if (request.wants === 'lease') leaseOf(waiting).release();
  });

  it('does not overtake: behind a statement in autocommit a transaction waits its turn', async () => {
    await asked({ statement: { text: 'INSERT 2' } });
    const waiting = await asked(BEGINS);
    commitFirst();
    expect(waiting.ends).toEqual([]);
    await clock.elapseMs(10);
    expect(driver.texts).toEqual(['BEGIN', 'INSERT 1', 'COMMIT', 'INSERT 2']);
    leaseOf(waiting).release();
  });

  it('comes back when nobody waits, and then serves who came meanwhile', async () => {
    commitFirst();
    const waiting = await asked(BEGINS);
    expect(waiting.ends).toEqual([]);
    await clock.elapseMs(10);
    leaseOf(waiting).release();
  });

  it.each<[string, () => { reset: boolean } | undefined]>([
    ['when its session is to be reset', () => ({ reset: true })],
    [
      'when the pool is suspended',
      () => {
        void pool.control.suspend(5_000).catch(() => undefined);
        return undefined;
      },
    ],
    [
      'when it is to be replaced',
      () => {
        void pool.control.recycle(5_000).catch(() => undefined);
        return undefined;
      },
    ],
    [
      'when its lifetime is over',
      () => {
        for (const pooled of pool.connections) pooled.expiresAtMs = clock.monotonicMs();
        return undefined;
      },
    ],
  ])('goes to nobody %s', async (_, prepare) => {
    const waiting = await asked(BEGINS);
    commitFirst(prepare());
    expect(waiting.ends).toEqual([]);
    await clock.elapseMs(10);
    pool.control.resume();
    await clock.elapseMs(0);
    leaseOf(waiting).release();
  });
});

describe('who has it then', () => {
  it('may give it back unused: it waits for the answer, and is no open transaction', async () => {
    const dirty = bench.record('lease:dirty');
    const waiting = await asked(BEGINS);
    commitFirst();
    leaseOf(waiting).release();
    const next = await asked({ statement: { text: 'INSERT 3' } });
    expect(next.ends).toEqual([]);
    await clock.elapseMs(10);
    expect(next.ends).toEqual([{ result: expect.anything() }]);
    expect(driver.texts).toEqual(['BEGIN', 'INSERT 1', 'COMMIT', 'INSERT 3']);
    expect(dirty).toEqual([]);
  });

  it('times out while COMMIT runs, and is cancelled only when that is answered', async () => {
    commitAnswer = { afterMs: 500 };
    driver.script = ({ text }) =>
      text === 'COMMIT' ? commitAnswer : text === 'slow' ? { hangs: true } : undefined;
    const waiting = await asked(BEGINS);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    second.begin(() => ['BEGIN']);
    const slow = bench.run(second, 'slow', { timeoutMs: 100 });
    await clock.elapseMs(110);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(connection().cancels).toBe(0);
    await clock.elapseMs(400);
    expect(commit.ends).toEqual([{ result: expect.objectContaining({ command: 'COMMIT' }) }]);
    expect(connection().cancels).toBe(1);
    bench.run(second, 'ROLLBACK');
    second.release();
    await clock.elapseMs(10);
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is not touched by a COMMIT that is refused', async () => {
    const error = new QueryError('a deferred constraint', { sqlState: '23505' });
    commitAnswer = { error, afterMs: 10 };
    const waiting = await asked(BEGINS);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    second.begin(() => ['BEGIN']);
    const insert = bench.run(second, 'INSERT 2');
    await clock.elapseMs(10);
    expect(errorOf(commit)).toBe(error);
    expect(insert.ends).toEqual([{ result: expect.anything() }]);
    commitAnswer = {};
    bench.run(second, 'COMMIT', COMMIT);
    second.release();
    await clock.elapseMs(0);
  });

  it('loses it when COMMIT gets no answer and its owner gives it up', async () => {
    commitAnswer = { hangs: true };
    const waiting = await asked(BEGINS);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    second.begin(() => ['BEGIN']);
    const insert = bench.run(second, 'INSERT 2', { timeoutMs: 5_000 });
    await clock.elapseMs(1_010);
    expect(errorOf(commit)).toBeInstanceOf(QueryTimeoutError);
    expect(insert.ends).toEqual([]);
    first.drop('its COMMIT was not answered');
    await clock.elapseMs(0);
    expect(errorOf(insert)).toBeInstanceOf(ConnectionError);
    expect(second.isUsable).toBe(false);
    second.release();
  });

  it('loses it together with the COMMIT when the line breaks', async () => {
    commitAnswer = { hangs: true };
    const waiting = await asked(BEGINS);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    second.begin(() => ['BEGIN']);
    const insert = bench.run(second, 'INSERT 2');
    connection().lose('reset by peer');
    await clock.elapseMs(0);
    expect(errorOf(commit)).toMatchObject({ code: 'DB_CONNECTION', safeToRetry: false });
    expect(errorOf(insert)).toMatchObject({ code: 'DB_CONNECTION' });
    second.release();
    const next = await asked({ statement: { text: 'INSERT 3' } });
    expect(next.ends).toEqual([{ result: expect.anything() }]);
  });

  it('waits for the answer with work that speaks the protocol by itself', async () => {
    const waiting = await asked(BEGINS);
    const commit = commitFirst();
    const second = leaseOf(waiting);
    let underWay: number | undefined;
    const work = async (): Promise<string> => {
      underWay = connection().underWay;
      return 'copied';
    };
    const copying = bench.run(second, 'COPY', { work });
    await clock.elapseMs(9);
    expect(underWay).toBeUndefined();
    await clock.elapseMs(1);
    expect(commit.ends).toHaveLength(1);
    expect(underWay).toBe(0);
    expect(copying.ends).toEqual([{ result: 'copied' }]);
    second.release();
  });
});
