// Who gets a connection, how the pool grows, what it does when connecting fails: connections answer from a script.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError, PoolOverloadedError, ShutdownError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { FakeClock } from '../testing/fake-clock.js';
import { refusedConnection } from '../testing/fake-driver.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import type { PoolOptions } from './pool.options.js';
import type { Pool } from './pool.js';
import type { PooledConnection } from './pooled-connection.js';
import { Waiter } from './wait-queue.js';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;

/** A pool of at most 5 that opens nothing by itself. */
function open(options: Partial<PoolOptions> = {}): Pool {
  ({ pool } = bench.pool({ max: 5, ...options }));
  return pool;
}

beforeEach(() => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
});

afterEach(async () => {
  driver.endMs = 0;
  await bench.close(pool);
  expect(pool.stats()).toMatchObject({ total: 0, idle: 0, leased: 0, waiting: 0, connecting: 0 });
  expect(driver.open).toEqual([]);
  // Nothing here shares a connection.
  for (const { mostUnderWay } of driver.connections) expect(mostUnderWay).toBeLessThanOrEqual(1);
  expect(clock.pendingTimers).toBe(0);
});

/** Somebody who wants a connection, and keeps it until told otherwise. */
class Caller extends Waiter {
  got: PooledConnection | undefined;
  error: DatabaseError | undefined;
  told = 0;

  constructor(private readonly onGrant: (caller: Caller) => void = () => undefined) {
    super();
    const free = pool.take();
    if (free === undefined) pool.wait(this);
    else this.granted(free);
  }

  override granted(connection: PooledConnection): void {
    this.told++;
    this.got = connection;
    this.onGrant(this);
  }

  override refused(error: DatabaseError): void {
    this.told++;
    this.error = error;
  }

  giveBack(): void {
    if (this.got === undefined) throw new Error('nothing to give back');
    pool.give(this.got);
    this.got = undefined;
  }
}

const callers = (count: number): Caller[] => Array.from({ length: count }, () => new Caller());
const served = (list: readonly Caller[]): number =>
  list.filter(({ got }) => got !== undefined).length;

describe('growth', () => {
  it('opens nothing before somebody asks, when there is no minimum', async () => {
    open().start();
    await clock.elapseMs(5_000);
    expect(driver.attempts).toBe(0);
  });

  it('opens the minimum by itself, and goes on trying', async () => {
    driver.connectScript = (attempt) => (attempt <= 3 ? { error: refusedConnection() } : undefined);
    open({ min: 3 }).start();
    await clock.elapseMs(0);
    expect(pool.stats()).toMatchObject({ total: 0, connectFailures: 3 });
    await clock.elapseMs(3_000);
    expect(pool.stats()).toMatchObject({ total: 3, idle: 3 });
  });

  it('never goes beyond max, however many ask', async () => {
    open({ max: 3, maxConnecting: 10 });
    const list = callers(50);
    await clock.elapseMs(100);
    expect(driver.attempts).toBe(3);
    expect(served(list)).toBe(3);
    expect(pool.stats()).toMatchObject({ total: 3, leased: 3, waiting: 47, utilizationRatio: 1 });
  });

  it('opens no more than maxConnecting at a time, and the rest behind them', async () => {
    driver.connectScript = () => ({ afterMs: 10 });
    open({ max: 20, maxConnecting: 4 });
    const list = callers(10);
    let most = 0;
    for (let ms = 0; ms < 40; ms++) {
      most = Math.max(most, driver.connecting);
      expect(pool.stats().connecting).toBe(driver.connecting);
      await clock.elapseMs(1);
    }
    expect(most).toBe(4);
    expect(served(list)).toBe(10);
    expect(driver.attempts).toBe(10);
  });

  it('opens one for each who waits, not one for each who asks', async () => {
    open({ max: 20 });
    const [first] = callers(1);
    await clock.elapseMs(0);
    first?.giveBack();
    for (let i = 0; i < 100; i++) {
      const caller = new Caller();
      caller.giveBack();
    }
    expect(driver.attempts).toBe(1);
  });

  it('does not open one for somebody who has left meanwhile', async () => {
    driver.connectScript = () => ({ afterMs: 10 });
    open({ max: 20, maxConnecting: 1 });
    const [first, second] = callers(2);
    await clock.elapseMs(0);
    pool.abandon(second as Caller);
    await clock.elapseMs(50);
    expect(first?.got).toBeDefined();
    expect(driver.attempts).toBe(1);
  });

  it('keeps a connection that came too late for the one it was opened for', async () => {
    driver.connectScript = () => ({ afterMs: 10 });
    open();
    const [leaving] = callers(1);
    pool.abandon(leaving as Caller);
    await clock.elapseMs(10);
    expect(leaving?.told).toBe(0);
    expect(pool.stats()).toMatchObject({ idle: 1, waiting: 0 });
  });
});

describe('the queue', () => {
  it('is fair: connections go to who waits longest, never past him', async () => {
    open({ max: 1 });
    const [holder] = callers(1);
    await clock.elapseMs(0);
    const order: number[] = [];
    const list = Array.from({ length: 10 }, (_, number) => new Caller(() => order.push(number)));
    holder?.giveBack();
    // Somebody new does not overtake: nothing is idle while others wait.
    expect(pool.take()).toBeUndefined();
    for (const caller of list.slice(0, 9)) caller.giveBack();
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(list.every(({ told }) => told === 1)).toBe(true);
  });

  it('refuses at once who comes when maxWaiting others wait', async () => {
    open({ max: 1, maxWaiting: 3 });
    callers(1);
    await clock.elapseMs(0);
    const list = callers(5);
    expect(list.map(({ told }) => told)).toEqual([0, 0, 0, 1, 1]);
    const error = list[4]?.error as PoolOverloadedError;
    expect(error).toBeInstanceOf(PoolOverloadedError);
    expect(error.pool).toEqual({ leased: 1, max: 1, waiting: 3 });
    expect(error.retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(pool.stats().refused).toBe(2);
  });

  it('counts nobody who waits for a connection that is opened, or asked whether it lives', async () => {
    open({ max: 2, maxWaiting: 0, validateAfterIdleMs: 100 });
    const list = callers(3);
    expect(list.map(({ told }) => told)).toEqual([0, 0, 1]);
    await clock.elapseMs(0);
    for (const caller of list.slice(0, 2)) caller.giveBack();
    await clock.elapseMs(1_000);
    const later = callers(3);
    expect(later.map(({ error }) => error)).toEqual([undefined, undefined, expect.anything()]);
    await clock.elapseMs(0);
    expect(served(later)).toBe(2);
  });

  it('tells a longer time to stay away the longer the queue and the slower its connections', async () => {
    open({ max: 1, maxWaiting: 100, queueTargetMs: 0 });
    const [holder] = callers(1);
    await clock.elapseMs(0);
    const crowd = callers(100);
    const quick = (new Caller().error as PoolOverloadedError).retryAfterMs;
    let last = holder as Caller;
    for (const next of crowd.slice(0, 50)) {
      await clock.elapseMs(400);
      last.giveBack();
      last = next;
    }
    callers(50);
    const slow = (new Caller().error as PoolOverloadedError).retryAfterMs;
    expect(quick).toBe(1_000);
    expect(slow).toBeGreaterThan(5_000);
    expect(slow).toBeLessThanOrEqual(30_000);
  });
});

describe('how long a use takes', () => {
  const MAX_WAITING = 40;

  beforeEach(() => {
    open({ max: 1, maxWaiting: MAX_WAITING, queueTargetMs: 0 });
    driver.script = ({ text }) => (text === 'ROLLBACK' ? { afterMs: 500 } : undefined);
  });

  /** Has a connection for 10 ms, and leaves a transaction open on it, whose ROLLBACK takes 500 ms. */
  async function use(giveBack: (pooled: PooledConnection) => void): Promise<void> {
    const caller = new Caller();
    await clock.elapseMs(0);
    const pooled = caller.got as PooledConnection;
    await pooled.command('BEGIN', 1_000);
    await clock.elapseMs(10);
    giveBack(pooled);
    await clock.elapseMs(500);
  }

  /** What somebody is told who finds the queue full. */
  async function retryAfterMs(): Promise<number> {
    callers(1);
    await clock.elapseMs(0);
    callers(MAX_WAITING);
    return (new Caller().error as PoolOverloadedError).retryAfterMs;
  }

  it('is counted once, until the connection is clean: who waits waits for that too', async () => {
    for (let count = 0; count < 100; count++) await use((pooled) => pool.give(pooled));
    expect(await retryAfterMs()).toBeCloseTo(MAX_WAITING * 510, -1);
  });

  it('is counted when the connection could not be cleaned, too', async () => {
    driver.script = ({ text }) => (text === 'ROLLBACK' ? { loses: 'killed', afterMs: 500 } : {});
    for (let count = 0; count < 100; count++) await use((pooled) => pool.give(pooled));
    expect(await retryAfterMs()).toBeCloseTo(MAX_WAITING * 510, -1);
  });

  it('is not told by a connection that several have shared, nor by its cleaning', async () => {
    for (let count = 0; count < 100; count++) await use((pooled) => pool.accept(pooled));
    expect(await retryAfterMs()).toBe(1_000);
  });
});

describe('a connection that rests', () => {
  it('is given out again, the one that was used last first', async () => {
    open();
    const [a, b] = callers(2);
    await clock.elapseMs(0);
    const [first, second] = [a?.got, b?.got];
    a?.giveBack();
    b?.giveBack();
    expect(pool.take()).toBe(second);
    expect(pool.take()).toBe(first);
    for (const pooled of [first, second]) pool.give(pooled as PooledConnection);
  });

  it('is asked whether it lives when it rested longer than validateAfterIdleMs', async () => {
    open({ validateAfterIdleMs: 1_000 });
    const [first] = callers(1);
    await clock.elapseMs(0);
    first?.giveBack();
    await clock.elapseMs(1_000);
    const soon = new Caller();
    expect(soon.got).toBeDefined();
    expect(driver.texts).toEqual([]);
    soon.giveBack();
    await clock.elapseMs(1_001);
    const late = new Caller();
    expect(late.got).toBeUndefined();
    await clock.elapseMs(0);
    expect(late.got).toBeDefined();
    expect(driver.texts).toEqual(['']);
    expect(driver.attempts).toBe(1);
  });

  it('that does not answer is replaced at once, by one that does', async () => {
    open({ validateAfterIdleMs: 1_000 });
    const [first] = callers(1);
    await clock.elapseMs(0);
    first?.giveBack();
    await clock.elapseMs(5_000);
    driver.script = () => ({ loses: 'reset by peer' });
    const caller = new Caller();
    await clock.elapseMs(0);
    expect(caller.got?.connection.isUsable).toBe(true);
    expect(driver.attempts).toBe(2);
  });

  it('that never answers is destroyed after its 2 s, and replaced', async () => {
    open({ validateAfterIdleMs: 1_000 });
    const [first] = callers(1);
    await clock.elapseMs(0);
    first?.giveBack();
    await clock.elapseMs(5_000);
    driver.script = () => ({ hangs: true });
    const caller = new Caller();
    await clock.elapseMs(1_999);
    expect(caller.got).toBeUndefined();
    await clock.elapseMs(1);
    expect(caller.got).toBeDefined();
    expect(driver.attempts).toBe(2);
  });

  describe('and is lost right behind its answer', () => {
    beforeEach(async () => {
      open({ max: 1, validateAfterIdleMs: 1_000 });
      const [first] = callers(1);
      await clock.elapseMs(0);
      first?.giveBack();
      await clock.elapseMs(5_000);
      driver.script = () => ({ hangs: true });
    });

    /** Both are in what the socket gives at once. */
    function answerAndLose(): void {
      driver.connections[0]?.answer({});
      driver.connections[0]?.lose('57P01');
    }

    it('goes to nobody: who waits gets a new one', async () => {
      const caller = new Caller();
      answerAndLose();
      await clock.elapseMs(0);
      expect(caller.told).toBe(1);
      expect(caller.got?.connection.isUsable).toBe(true);
      expect(driver.attempts).toBe(2);
      expect(pool.stats()).toMatchObject({ total: 1, idle: 0, leased: 1 });
    });

    it('does not rest either', async () => {
      pool.abandon(new Caller());
      answerAndLose();
      await clock.elapseMs(0);
      expect(pool.stats()).toMatchObject({ total: 0, idle: 0, leased: 0, closed: 1 });
    });
  });

  it('that is lost while it rests is forgotten, and the minimum restored', async () => {
    open({ min: 2 }).start();
    await clock.elapseMs(0);
    const closed = bench.record('connection:closed');
    driver.open[0]?.lose('57P01');
    await clock.elapseMs(0);
    expect(closed).toEqual([{ node: 'primary', backendPid: 1_000, reason: '57P01' }]);
    expect(pool.stats()).toMatchObject({ total: 2, idle: 2, opened: 3, closed: 1 });
  });
});

describe('a connection that comes back', () => {
  it('is rolled back before the next one gets it', async () => {
    open({ max: 1 });
    const [holder, next] = callers(2);
    await clock.elapseMs(0);
    const run = (text: string): Promise<unknown> =>
      new Promise((resolve) => holder?.got?.connection.execute({ text }, { replied: resolve }));
    await run('BEGIN');
    holder?.giveBack();
    expect(next?.got).toBeUndefined();
    await clock.elapseMs(0);
    expect(driver.texts).toEqual(['BEGIN', 'ROLLBACK']);
    expect(next?.got?.connection.transactionStatus).toBe('idle');
  });

  it('whose ROLLBACK is not answered is destroyed, and the next one gets a new one', async () => {
    open({ max: 1 });
    const [holder, next] = callers(2);
    await clock.elapseMs(0);
    const run = (text: string): Promise<unknown> =>
      new Promise((resolve) => holder?.got?.connection.execute({ text }, { replied: resolve }));
    await run('BEGIN');
    driver.script = () => ({ hangs: true });
    holder?.giveBack();
    await clock.elapseMs(2_000);
    expect(driver.attempts).toBe(2);
    expect(next?.got?.connection.backendPid).toBe(1_001);
  });

  it('and was lost meanwhile is not given to anybody', async () => {
    open({ max: 1 });
    const [holder, next] = callers(2);
    await clock.elapseMs(0);
    driver.open[0]?.lose('57P01');
    await clock.elapseMs(0);
    expect(next?.got?.connection.isUsable).toBe(true);
    holder?.giveBack();
    expect(pool.stats()).toMatchObject({ total: 1, leased: 1 });
  });

  it('frees its place at once when it is given up, however long its goodbye takes', async () => {
    driver.endMs = 1_500;
    open({ max: 1, maxLifetimeMs: 1_000 });
    const [holder, next] = callers(2);
    await clock.elapseMs(0);
    await clock.elapseMs(2_000);
    holder?.giveBack();
    await clock.elapseMs(0);
    expect(next?.got?.connection.backendPid).toBe(1_001);
    expect(driver.open).toHaveLength(2);
    await clock.elapseMs(1_500);
    expect(driver.open).toHaveLength(1);
  });
});

describe('connecting that fails', () => {
  it('refuses everybody with the cause when there is no connection at all', async () => {
    driver.connectScript = () => ({ error: refusedConnection(), afterMs: 5 });
    open({ maxConnecting: 2 });
    const list = callers(10);
    await clock.elapseMs(5);
    for (const { error, told } of list) {
      expect(told).toBe(1);
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ safeToRetry: true, outage: true });
    }
    expect(pool.stats()).toMatchObject({ waiting: 0, connectFailures: 2 });
    expect(pool.stats().lastConnectError).toMatch(/ECONNREFUSED/);
  });

  it('tries at once for the next one who asks', async () => {
    driver.connectScript = (attempt) =>
      attempt === 1 ? { error: refusedConnection() } : undefined;
    open();
    const first = new Caller();
    await clock.elapseMs(0);
    expect(first.error).toBeDefined();
    const second = new Caller();
    await clock.elapseMs(0);
    expect(second.got).toBeDefined();
    expect(pool.stats().lastConnectError).toBeUndefined();
  });

  it('lets those wait who can still be served by a connection that is out', async () => {
    open({ max: 2 });
    const [holder] = callers(1);
    await clock.elapseMs(0);
    driver.connectScript = () => ({ error: refusedConnection() });
    const next = new Caller();
    await clock.elapseMs(60_000);
    expect(next.told).toBe(0);
    holder?.giveBack();
    expect(next.got).toBeDefined();
  });

  it('is repeated after pauses that grow to a second, with jitter, while somebody waits', async () => {
    open({ max: 2 });
    callers(1);
    await clock.elapseMs(0);
    const atMs: number[] = [];
    driver.connectScript = () => {
      atMs.push(clock.monotonicMs());
      return { error: refusedConnection() };
    };
    const waiting = new Caller();
    await clock.elapseMs(10_000);
    const pauses = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
    expect(pauses[0]).toBeGreaterThanOrEqual(100);
    expect(pauses[0]).toBeLessThanOrEqual(200);
    expect(pauses[1]).toBeGreaterThanOrEqual(200);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
    expect(Math.min(...pauses.slice(3))).toBeGreaterThanOrEqual(500);
    expect(atMs.length).toBeLessThan(25);
    driver.connectScript = () => undefined;
    await clock.elapseMs(1_000);
    expect(waiting.got).toBeDefined();
  });

  it('gives up on a server that says nothing after connectTimeoutMs', async () => {
    driver.connectScript = () => ({ hangs: true });
    open({ connectTimeoutMs: 700 });
    const failed = bench.record('connection:failed');
    const caller = new Caller();
    await clock.elapseMs(699);
    expect(caller.told).toBe(0);
    await clock.elapseMs(1);
    expect(caller.error?.message).toMatch(/no answer within 700 ms/);
    expect(failed).toHaveLength(1);
  });
});

describe('a connection that is lost as soon as it is open', () => {
  beforeEach(() => {
    driver.connectScript = (attempt) => (attempt <= 2 ? { loses: '57P03' } : undefined);
  });

  it('is one that could not be opened, and another one is', async () => {
    const failed = bench.record('connection:failed');
    open({ min: 1 }).start();
    await clock.elapseMs(0);
    expect(pool.stats()).toMatchObject({ total: 0, idle: 0, connectFailures: 1 });
    expect(failed).toEqual([{ node: 'primary', error: expect.any(ConnectionError) }]);
    await clock.elapseMs(3_000);
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, connectFailures: 2 });
  });

  it('is given to nobody', async () => {
    open();
    const [first] = callers(1);
    await clock.elapseMs(0);
    expect(first?.got).toBeUndefined();
    expect(first?.error).toBeInstanceOf(ConnectionError);
  });
});

describe('figures and events', () => {
  it('tell what was opened, taken and closed', async () => {
    const opened = bench.record('connection:opened');
    driver.connectScript = () => ({ afterMs: 7 });
    open();
    const [caller] = callers(1);
    await clock.elapseMs(7);
    caller?.giveBack();
    expect(opened).toEqual([{ node: 'primary', backendPid: 1_000, tookMs: 7 }]);
    expect(pool.stats()).toEqual({
      node: 'primary',
      total: 1,
      idle: 1,
      leased: 0,
      connecting: 0,
      waiting: 0,
      max: 5,
      min: 0,
      utilizationRatio: 0,
      acquiredCount: 1,
      opened: 1,
      closed: 0,
      connectFailures: 0,
      acquireTimeouts: 0,
      refused: 0,
      shed: 0,
      deadlocks: 0,
      isSuspended: false,
      leaks: 0,
      lane: {
        max: 1,
        connections: 0,
        inFlight: 0,
        waiting: 0,
        sent: 0,
        batched: 0,
        stalls: 0,
        rescued: 0,
        repeated: 0,
      },
      lastConnectError: undefined,
    });
  });

  it('tell each end once, however many reasons there are for it', async () => {
    const closed = bench.record('connection:closed');
    open();
    const [caller] = callers(1);
    await clock.elapseMs(0);
    const pooled = caller?.got as PooledConnection;
    pool.discard(pooled, 'the first reason');
    pool.discard(pooled, 'the second reason');
    pooled.connection.destroy();
    await clock.elapseMs(10);
    expect(closed.map(({ reason }) => reason)).toEqual(['the first reason']);
  });
});

describe('a dead line', () => {
  it('costs the connections that received nothing since the node was suspected, and no other', async () => {
    open();
    callers(3);
    await clock.elapseMs(0);
    const [silent, talking] = driver.open;
    pool.suspect();
    talking?.execute({ text: 'SELECT 1' }, { replied: () => undefined });
    await clock.elapseMs(0);
    pool.sever();
    expect(silent?.isUsable).toBe(false);
    expect(talking?.isUsable).toBe(true);
    expect(pool.stats()).toMatchObject({ total: 1, leased: 1 });
  });
});

describe('after the pool has closed', () => {
  it('nobody gets anything, and nobody waits', async () => {
    open();
    const [holder] = callers(1);
    await clock.elapseMs(0);
    holder?.giveBack();
    await pool.close();
    const late = new Caller();
    expect(late.error).toBeInstanceOf(ShutdownError);
    expect(driver.attempts).toBe(1);
  });
});
