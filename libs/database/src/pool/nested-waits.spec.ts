// Code that holds a connection and asks for another one: told, served first, and ended when nobody can go on.
import { afterEach, describe, expect, it } from '@jest/globals';
import { DatabaseCore } from '../database.core.js';
import { resolveOptions } from '../database.options.js';
import { DatabaseService } from '../database.service.js';
import { PoolDeadlockError, PoolTimeoutError } from '../kernel/errors.js';
import type { EventMap } from '../kernel/event-map.js';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeDriver } from '../testing/fake-driver.js';
import { answerProbe } from '../testing/fake-probe.js';
import type { PoolOptions } from './pool.options.js';

/** Within it a deadlock has to be found; acquireTimeoutMs is a hundred times longer. */
const AT_ONCE_MS = 50;

let clock: FakeClock;
let driver: FakeDriver;
let core: DatabaseCore;
let db: DatabaseService;

async function start(pool: Partial<PoolOptions>): Promise<void> {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  driver.script = (statement, asked) => {
    const { text } = statement;
    const probed = answerProbe(statement, asked);
    if (probed !== undefined) return probed;
    if (text === 'slower') return { afterMs: 1_500 };
    return text === 'slow' ? { afterMs: 1_000 } : undefined;
  };
  const resolved = resolveOptions({
    url: 'postgresql://db/d',
    pool: { min: 0, closeTimeoutMs: 1_000, ...pool },
    routing: { probeIntervalMs: 1_000_000 },
    telemetry: { log: false },
  });
  core = new DatabaseCore(resolved, { driver, clock });
  db = new DatabaseService(core);
  await core.start();
}

afterEach(async () => {
  const closing = core.close();
  await clock.elapseMs(60_000);
  await closing;
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

type Work = () => Promise<unknown>;
const outer = (work: Work): Promise<unknown> => db.transaction(work);
const inner = (work: Work = () => db.query('inner')): Promise<unknown> =>
  db.transaction(work, { propagation: 'requires-new' });
const stats = (): Record<string, unknown> => core.pools()[0] as never;
const record = <Name extends keyof EventMap>(name: Name): Array<EventMap[Name]> => {
  const seen: Array<EventMap[Name]> = [];
  core.events.on(name, (payload) => seen.push(payload));
  return seen;
};

/** What became of promises so far. */
function outcomes(promises: ReadonlyArray<Promise<unknown>>): unknown[] {
  const seen: unknown[] = promises.map(() => 'open');
  promises.forEach((promise, at) => {
    promise.then(
      () => (seen[at] = 'done'),
      (error: unknown) => (seen[at] = error),
    );
  });
  return seen;
}

describe('a deadlock with oneself', () => {
  it('is ended at once: a transaction in a transaction, on a pool of one', async () => {
    await start({ max: 1 });
    const told = record('pool:deadlocked');
    const seen = outcomes([outer(() => inner())]);
    await clock.elapseMs(AT_ONCE_MS);
    const error = seen[0] as PoolDeadlockError;
    expect(error).toBeInstanceOf(PoolDeadlockError);
    expect(error).toBeInstanceOf(PoolTimeoutError);
    expect(error).toMatchObject({
      code: 'DB_POOL_DEADLOCK',
      safeToRetry: true,
      pool: { leased: 1, max: 1, waiting: 0 },
    });
    expect(error.message).toMatch(/pool\.max above.*propagation "nested" or "required"/);
    expect(told).toHaveLength(1);
    expect(stats()).toMatchObject({ leased: 0, idle: 1, deadlocks: 1, acquireTimeouts: 0 });
  });

  it.each<[string, () => Promise<unknown>]>([
    ['not-supported', () => db.transaction(() => db.query('x'), { propagation: 'not-supported' })],
    ['a session in it', () => db.session(() => db.query('x'))],
  ])('is found with %s', async (_, work) => {
    await start({ max: 1 });
    const seen = outcomes([outer(work)]);
    await clock.elapseMs(AT_ONCE_MS);
    expect(seen[0]).toBeInstanceOf(PoolDeadlockError);
  });

  it('is found with a hook of a transaction in a session, whose connection is still held', async () => {
    await start({ max: 1 });
    const failed = record('transaction:hook-failed');
    const work = (): Promise<unknown> =>
      db.transaction(async (tx) => tx.afterCommit(async () => void (await db.query('x'))));
    const seen = outcomes([db.session(work)]);
    await clock.elapseMs(AT_ONCE_MS);
    expect(seen).toEqual(['done']);
    expect(failed).toEqual([{ error: expect.any(PoolDeadlockError) }]);
  });

  it('of two that hold both connections costs the newer one his call; the other goes on', async () => {
    await start({ max: 2 });
    const seen = outcomes([outer(() => inner()), outer(() => inner())]);
    await clock.elapseMs(AT_ONCE_MS);
    expect(seen).toEqual(['done', expect.any(PoolDeadlockError)]);
    expect(stats()).toMatchObject({ leased: 0, deadlocks: 1 });
  });

  it('of many costs no more calls than it has to', async () => {
    await start({ max: 5 });
    const seen = outcomes(Array.from({ length: 20 }, () => outer(() => inner())));
    await clock.elapseMs(1_000);
    expect(seen).not.toContain('open');
    const ended = seen.filter((one) => one === 'done');
    expect(ended.length).toBeGreaterThanOrEqual(15);
    expect(stats()).toMatchObject({ deadlocks: 20 - ended.length, waiting: 0, leased: 0 });
  });

  it('is found through all levels', async () => {
    await start({ max: 3 });
    const seen = outcomes([outer(() => inner(() => inner(() => inner())))]);
    await clock.elapseMs(AT_ONCE_MS);
    expect(seen[0]).toBeInstanceOf(PoolDeadlockError);
  });

  it('is survived by code that catches it', async () => {
    await start({ max: 1 });
    const work = async (): Promise<void> => {
      await inner().catch(() => undefined);
      await db.query('goes on');
    };
    const seen = outcomes([outer(work)]);
    await clock.elapseMs(AT_ONCE_MS);
    expect(seen).toEqual(['done']);
  });
});

describe('no deadlock', () => {
  it('is where one of the holders still works', async () => {
    await start({ max: 2 });
    const seen = outcomes([outer(() => db.query('slow')), outer(() => inner())]);
    await clock.elapseMs(900);
    expect(seen).toEqual(['open', 'open']);
    await clock.elapseMs(200);
    expect(seen).toEqual(['done', 'done']);
    expect(stats()).toMatchObject({ deadlocks: 0 });
  });

  it('is where one of the holders waits for something else', async () => {
    await start({ max: 2 });
    const seen = outcomes([outer(() => clock.sleep(700)), outer(() => inner())]);
    await clock.elapseMs(600);
    expect(seen).toEqual(['open', 'open']);
    await clock.elapseMs(200);
    expect(seen).toEqual(['done', 'done']);
  });

  it('is where a plain statement has the last connection', async () => {
    await start({ max: 2 });
    const seen = outcomes([db.query('slow'), outer(() => inner())]);
    await clock.elapseMs(1_100);
    expect(seen).toEqual(['done', 'done']);
  });

  it('is where the inner call was not awaited, and the outer one goes on', async () => {
    await start({ max: 1 });
    const calls: Array<Promise<unknown>> = [];
    const work = async (): Promise<void> => {
      calls.push(inner());
      for (let n = 0; n < 5; n++) await db.query('more');
    };
    const seen = outcomes([outer(work)]);
    await clock.elapseMs(10);
    expect(seen).toEqual(['done']);
    expect(await Promise.all(calls.map((call) => call.then(() => 'done')))).toEqual(['done']);
  });

  it('is where another connection can still be opened', async () => {
    driver.connectScript = () => undefined;
    await start({ max: 2 });
    driver.connectScript = (attempt) => (attempt === 2 ? undefined : { afterMs: 500 });
    const seen = outcomes([outer(() => inner())]);
    await clock.elapseMs(1_500);
    expect(seen).toEqual(['done']);
  });

  it('is where the caller is served by a pool with room', async () => {
    await start({ max: 3 });
    const seen = outcomes([outer(() => inner(() => inner()))]);
    await clock.elapseMs(0);
    expect(seen).toEqual(['done']);
  });
});

describe('who holds a connection', () => {
  it('goes before those who hold none, for they may wait for it', async () => {
    await start({ max: 2 });
    const holder = async (): Promise<void> => {
      await db.query('slow');
      await inner();
    };
    const seen = outcomes([outer(holder), db.query('slower')]);
    await clock.elapseMs(0);
    const urgent = outcomes([1, 2, 3].map(() => db.query('slow', [], { priority: 'high' })));
    await clock.elapseMs(1_510);
    expect([...seen, ...urgent]).toEqual(['done', 'done', 'open', 'open', 'open']);
    await clock.elapseMs(3_000);
    expect(urgent).toEqual(['done', 'done', 'done']);
  });

  it('is let in by a suspended pool: his work could not end otherwise', async () => {
    await start({ max: 3 });
    const seen = outcomes([
      outer(async () => {
        await db.query('slow');
        await inner();
      }),
    ]);
    await clock.elapseMs(10);
    const [control] = core.controlsOf(undefined);
    const suspended = outcomes([control?.suspend(5_000) as Promise<void>]);
    const waiting = outcomes([db.query('later')]);
    await clock.elapseMs(1_100);
    expect([...seen, ...suspended, ...waiting]).toEqual(['done', 'done', 'open']);
    control?.resume();
    await clock.elapseMs(10);
    expect(waiting).toEqual(['done']);
  });

  it('is told the first time, and each time he has to wait', async () => {
    await start({ max: 2, min: 2 });
    await clock.elapseMs(0);
    const told = record('lease:nested');
    for (let n = 0; n < 3; n++) {
      const call = outcomes([outer(() => inner())]);
      await clock.elapseMs(0);
      expect(call).toEqual(['done']);
    }
    expect(told).toEqual([expect.objectContaining({ node: 'primary', waits: false })]);
    outcomes([db.query('slow'), outer(() => inner())]);
    await clock.elapseMs(1_100);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({ waits: true, backendPid: expect.any(Number) });
  });

  it('holds nothing any more once it was given back', async () => {
    await start({ max: 2 });
    // A chain of calls, each begun inside the last one and outliving it.
    const link = async (left: number): Promise<void> => {
      await inner();
      depths.push(depth());
      if (left > 0) void Promise.resolve().then(() => link(left - 1));
    };
    const depths: number[] = [];
    const depth = (): number => {
      let count = 0;
      for (let held = core.ambient.holding; held !== undefined; held = held.outer) count++;
      return count;
    };
    const seen = outcomes([
      outer(async () => {
        void link(50);
        await db.query('slow');
      }),
    ]);
    await clock.elapseMs(1_100);
    expect(seen).toEqual(['done']);
    expect(depths).toHaveLength(51);
    expect(Math.max(...depths)).toBe(1);
    expect(stats()).toMatchObject({ leased: 0, deadlocks: 0 });
  });
});
