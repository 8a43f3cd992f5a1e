// BEGIN to COMMIT on connections that answer from a script: what is sent, what is repeated, what nobody can know.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseCore } from '../database.core.js';
import { resolveOptions } from '../database.options.js';
import type { DatabaseModuleOptions } from '../database.options.js';
import {
  ConnectionError,
  InDoubtError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import { DeadlockError, QueryError, SerializationError } from '../kernel/query-errors.js';
import type { EventMap } from '../kernel/event-map.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { FakeAnswer } from '../testing/fake-answer.js';
import { FakeDriver } from '../testing/fake-driver.js';
import { answerProbe } from '../testing/fake-probe.js';
import type { Transaction } from './transaction.js';
import type { TransactionOptions } from './transaction.options.js';

let clock: FakeClock;
let driver: FakeDriver;
let core: DatabaseCore;
/** What statements are answered, those of probes and of the pool itself aside. */
let script: (text: string) => FakeAnswer | undefined;

beforeEach(async () => {
  await start();
});

afterEach(async () => {
  const closing = core.close();
  await clock.elapseMs(60_000);
  await closing;
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

async function start(options: Partial<DatabaseModuleOptions> = {}): Promise<void> {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  script = () => undefined;
  driver.script = (statement, asked) => answerProbe(statement, asked) ?? script(statement.text);
  const resolved = resolveOptions({
    url: 'postgresql://db/d',
    pool: { max: 5, min: 0, closeTimeoutMs: 1_000 },
    retry: { jitter: 0 },
    routing: { probeIntervalMs: 1_000_000 },
    telemetry: { log: false },
    ...options,
  });
  core = new DatabaseCore(resolved, { driver, clock });
  await core.start();
}

const run = <T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> =>
  core.runner.run(work, options);
const nested = <T>(work: (tx: Transaction) => Promise<T>): Promise<T> =>
  run(work, { propagation: 'nested' });
/** A statement as an application sends it: on the connection of the scope it is called in. */
const query = (text: string): Promise<unknown> => {
  const { scope } = core.ambient;
  if (scope === undefined) throw new Error('outside of any scope');
  return core.desk.sendOn(scope, { text });
};
/** What was sent, without the probes and the limit that goes with BEGIN. */
const sent = (): string[] =>
  driver.texts.filter((text) => !/pg_is_in_recovery|^SET LOCAL/.test(text));
const record = <Name extends keyof EventMap>(name: Name): Array<EventMap[Name]> => {
  const seen: Array<EventMap[Name]> = [];
  core.events.on(name, (payload) => seen.push(payload));
  return seen;
};
/** The error of a promise, after `ms`. */
async function failure(promise: Promise<unknown>, ms = 0): Promise<unknown> {
  let outcome: unknown = new Error('it is still pending');
  void promise.then(
    () => (outcome = new Error('it did not fail')),
    (error: unknown) => (outcome = error),
  );
  await clock.elapseMs(ms);
  return outcome;
}
const boom = new Error('boom');
const stats = (): object => core.pools()[0] as object;

describe('what is sent', () => {
  it('is BEGIN, the statements, COMMIT', async () => {
    await expect(
      run(async () => {
        await query('INSERT 1');
        await query('INSERT 2');
        return 'done';
      }),
    ).resolves.toBe('done');
    expect(sent()).toEqual(['BEGIN', 'INSERT 1', 'INSERT 2', 'COMMIT']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is ROLLBACK when the callback fails, whose error is told', async () => {
    const failing = run(async () => {
      await query('INSERT');
      throw boom;
    });
    expect(await failure(failing)).toBe(boom);
    expect(sent()).toEqual(['BEGIN', 'INSERT', 'ROLLBACK']);
  });

  it('is nothing at all for a callback that throws at once', async () => {
    const throwing = (): Promise<never> => {
      throw boom;
    };
    expect(await failure(run(throwing))).toBe(boom);
    expect(sent()).toEqual([]);
  });

  it('is no COMMIT that would pass for one after a failed statement', async () => {
    const error = new QueryError('duplicate key', { sqlState: '23505' });
    script = (text) => (text === 'INSERT' ? { error } : undefined);
    const failing = run(() => query('INSERT').catch(() => undefined));
    expect(await failure(failing)).toBe(error);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('of siblings that nobody awaits runs before COMMIT, not after it', async () => {
    await run(async () => {
      void query('INSERT stray');
    });
    expect(sent()).toEqual(['BEGIN', 'INSERT stray', 'COMMIT']);
  });

  it('of siblings never follows ROLLBACK', async () => {
    script = () => ({ afterMs: 1 });
    const late: unknown[] = [];
    const failing = run(async () => {
      const siblings = ['a', 'b', 'c'].map((text) =>
        query(text).catch((error: unknown) => late.push(error)),
      );
      await siblings[0];
      throw boom;
    });
    expect(await failure(failing, 50)).toBe(boom);
    expect(sent().at(-1)).toBe('ROLLBACK');
    expect(sent()).not.toContain('c');
    expect(late.at(-1)).toBeInstanceOf(UsageError);
  });

  it('of a nested sibling never follows ROLLBACK of the whole', async () => {
    script = () => ({ afterMs: 5 });
    let inner: Promise<unknown> | undefined;
    const failing = run(async () => {
      inner = nested(async () => {
        await query('inner 1');
        await query('inner 2');
      });
      const caught = inner.catch(() => undefined);
      await clock.sleep(7);
      void caught;
      throw boom;
    });
    expect(await failure(failing, 200)).toBe(boom);
    expect(await failure(inner as Promise<unknown>)).toBeInstanceOf(Error);
    expect(sent()).not.toContain('inner 2');
    expect(sent().at(-1)).toBe('ROLLBACK');
    expect(stats()).toMatchObject({ leased: 0 });
  });
});

describe('savepoints', () => {
  it('are kept or taken back on their own', async () => {
    await run(async () => {
      await nested(() => query('kept'));
      await nested(async () => {
        await query('taken back');
        throw boom;
      }).catch(() => undefined);
      await query('outer');
    });
    expect(sent()).toEqual([
      'BEGIN',
      'SAVEPOINT sp_1',
      'kept',
      'RELEASE SAVEPOINT sp_1',
      'SAVEPOINT sp_1',
      'taken back',
      'ROLLBACK TO SAVEPOINT sp_1; RELEASE SAVEPOINT sp_1',
      'outer',
      'COMMIT',
    ]);
  });

  it('have names by their depth', async () => {
    await run(() => nested(() => nested(() => query('deep'))));
    expect(sent()).toEqual([
      'BEGIN',
      'SAVEPOINT sp_1',
      'SAVEPOINT sp_2',
      'deep',
      'RELEASE SAVEPOINT sp_2',
      'RELEASE SAVEPOINT sp_1',
      'COMMIT',
    ]);
  });

  it('in a transaction that has failed tell the first failure, not that there is no savepoint', async () => {
    const error = new QueryError('duplicate key', { sqlState: '23505' });
    script = (text) => (text === 'bad' ? { error } : undefined);
    let told: unknown;
    const failing = run(async () => {
      await query('bad').catch(() => undefined);
      await nested(() => query('never')).catch((inner: unknown) => (told = inner));
    });
    expect(await failure(failing)).toBe(error);
    expect(told).toMatchObject({ sqlState: '25P02' });
    expect(sent()).not.toContain('never');
  });
});

describe('running again', () => {
  it.each([
    ['a serialization failure', new SerializationError('again', { sqlState: '40001' })],
    ['a deadlock', new DeadlockError('again', { sqlState: '40P01' })],
  ])('follows %s: the whole, after growing waits', async (_, error) => {
    const retried = record('transaction:retried');
    let runs = 0;
    script = (text) => (text === 'UPDATE' && runs < 3 ? { error } : undefined);
    let isDone = false;
    void run(async () => {
      runs++;
      await query('UPDATE');
    }).then(() => (isDone = true));
    await clock.elapseMs(1_000);
    expect(isDone).toBe(true);
    expect(runs).toBe(3);
    expect(retried).toEqual([
      { attempt: 1, delayMs: 100, error },
      { attempt: 2, delayMs: 200, error },
    ]);
    expect(sent().filter((text) => text === 'ROLLBACK')).toHaveLength(2);
  });

  it('follows a serialization failure of COMMIT itself', async () => {
    const error = new SerializationError('again', { sqlState: '40001' });
    let commits = 0;
    script = (text) => (text === 'COMMIT' && ++commits === 1 ? { error } : undefined);
    let runs = 0;
    const done = run(async () => {
      await query('UPDATE');
      return ++runs;
    });
    await clock.elapseMs(1_000);
    await expect(done).resolves.toBe(2);
  });

  it('follows a connection that was lost before COMMIT', async () => {
    let runs = 0;
    script = (text) => (text === 'INSERT' && runs === 1 ? { loses: '57P01' } : undefined);
    const done = run(async () => {
      runs++;
      await query('INSERT');
      return runs;
    });
    await clock.elapseMs(1_000);
    await expect(done).resolves.toBe(2);
  });

  it('ends with the last failure after its retries', async () => {
    const error = new SerializationError('again', { sqlState: '40001' });
    script = (text) => (text === 'UPDATE' ? { error } : undefined);
    let runs = 0;
    const failing = run(
      async () => {
        runs++;
        await query('UPDATE');
      },
      { retries: 2 },
    );
    expect(await failure(failing, 10_000)).toBe(error);
    expect(runs).toBe(3);
  });

  it.each<[string, unknown]>([
    ['an error of the callback', boom],
    ['an error of a statement', new QueryError('no', { sqlState: '23505' })],
    ['a lost connection in a session', undefined],
  ])('does not follow %s', async (_, error) => {
    let runs = 0;
    script = (text) => (text === 'INSERT' ? { loses: '57P01' } : undefined);
    const work = async (): Promise<void> => {
      runs++;
      if (error === undefined) await query('INSERT');
      else throw error as Error;
    };
    const failing = error === undefined ? core.runner.session(() => run(work)) : run(work);
    expect(await failure(failing, 10_000)).toBeInstanceOf(Error);
    expect(runs).toBe(1);
  });
});

describe('COMMIT in doubt', () => {
  it.each<[string, FakeAnswer, number]>([
    ['its connection is lost', { loses: 'reset by peer' }, 0],
    ['it is not answered in time', { hangs: true }, 30_000],
  ])('when %s: nothing is repeated, and no hook of a rollback is called', async (_, answer, ms) => {
    script = (text) => (text === 'COMMIT' ? answer : undefined);
    const inDoubt = record('transaction:in-doubt');
    const hooks: string[] = [];
    let runs = 0;
    const failing = run(async (tx) => {
      runs++;
      tx.afterCommit(() => void hooks.push('committed'));
      tx.afterRollback(() => void hooks.push('rolled back'));
      await query('INSERT');
    });
    const error = (await failure(failing, ms + 10)) as InDoubtError;
    expect(error).toBeInstanceOf(InDoubtError);
    expect(error.cause).toBeInstanceOf(_.startsWith('its') ? ConnectionError : QueryTimeoutError);
    expect(runs).toBe(1);
    expect(hooks).toEqual([]);
    expect(inDoubt).toHaveLength(1);
    expect(sent()).toEqual(['BEGIN', 'INSERT', 'COMMIT']);
    expect(stats()).toMatchObject({ total: 0, leased: 0 });
  });

  it('when the pool closes over it', async () => {
    script = (text) => (text === 'COMMIT' ? { hangs: true } : undefined);
    const failing = failure(
      run(() => query('INSERT')),
      60_000,
    );
    await clock.elapseMs(0);
    expect(sent()).toEqual(['BEGIN', 'INSERT', 'COMMIT']);
    void core.close();
    const error = (await failing) as InDoubtError;
    expect(error).toBeInstanceOf(InDoubtError);
    expect(error.cause).toBeInstanceOf(ShutdownError);
  });

  it('is none when there was nothing to commit', async () => {
    let commits = 0;
    script = (text) => (text === 'COMMIT' && ++commits === 1 ? { loses: 'reset' } : undefined);
    const done = run(() => query('SELECT'), { readOnly: true, isolation: 'serializable' });
    await clock.elapseMs(1_000);
    await expect(done).resolves.toMatchObject({ command: 'SELECT' });
    expect(commits).toBe(2);
  });

  it('is none when the server refuses to commit', async () => {
    const error = new QueryError('deferred constraint', { sqlState: '23503' });
    script = (text) => (text === 'COMMIT' ? { error } : undefined);
    expect(await failure(run(() => query('INSERT')))).toBe(error);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });
});

describe('time', () => {
  it('is up for a callback that does not end, and the connection comes back', async () => {
    const work = async (): Promise<void> => {
      await query('INSERT');
      await new Promise(() => undefined);
    };
    const failing = run(work, { timeoutMs: 500 });
    expect(await failure(failing, 510)).toBeInstanceOf(QueryTimeoutError);
    expect(sent()).toEqual(['BEGIN', 'INSERT', 'ROLLBACK']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is up for the statement under way as well, which is cancelled', async () => {
    script = (text) => (text === 'slow' ? { hangs: true } : undefined);
    const failing = run(() => query('slow'), { timeoutMs: 500 });
    expect(await failure(failing, 520)).toBeInstanceOf(QueryTimeoutError);
    expect(driver.connections.at(-1)?.cancels).toBe(1);
    expect(stats()).toMatchObject({ leased: 0 });
  });

  it('is up by the abort of the caller: the statement is cancelled at once', async () => {
    script = (text) => (text === 'slow' ? { hangs: true } : undefined);
    const controller = new AbortController();
    const failing = failure(
      run(() => query('slow'), { signal: controller.signal }),
      20,
    );
    await clock.elapseMs(0);
    controller.abort();
    expect(await failing).toBeInstanceOf(QueryAbortedError);
    expect(sent()).toEqual(['BEGIN', 'slow', 'ROLLBACK']);
    expect(stats()).toMatchObject({ leased: 0 });
  });

  it('is up while BEGIN is under way: the statement behind it is not sent, and nothing is rolled back', async () => {
    script = (text) => (text.startsWith('BEGIN') ? { hangs: true } : undefined);
    const controller = new AbortController();
    const failing = failure(
      run(() => query('INSERT'), { signal: controller.signal }),
      100,
    );
    await clock.elapseMs(10);
    controller.abort();
    expect(await failing).toBeInstanceOf(QueryAbortedError);
    expect(sent()).toEqual(['BEGIN']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is up before the first statement: nothing is sent, and the callback is not called', async () => {
    let isCalled = false;
    const signal = AbortSignal.abort();
    const failing = run(async () => void (isCalled = true), { signal });
    expect(await failure(failing)).toBeInstanceOf(QueryAbortedError);
    expect(isCalled).toBe(false);
    expect(sent()).toEqual([]);
  });

  it('waiting to run again ends with the caller, who is told the last failure', async () => {
    const error = new SerializationError('again', { sqlState: '40001' });
    script = (text) => (text === 'UPDATE' ? { error } : undefined);
    const controller = new AbortController();
    const failing = failure(
      run(() => query('UPDATE'), { signal: controller.signal }),
      60,
    );
    await clock.elapseMs(50);
    controller.abort();
    expect(await failing).toBe(error);
  });
});

describe('the connection', () => {
  it('whose ROLLBACK fails is given up', async () => {
    const error = new QueryError('no', { sqlState: 'XX000' });
    script = (text) => (text === 'ROLLBACK' ? { error } : undefined);
    const failing = run(async () => {
      await query('INSERT');
      throw boom;
    });
    expect(await failure(failing)).toBe(boom);
    expect(stats()).toMatchObject({ total: 0 });
  });

  it('that cannot be had is told, and the callback not called', async () => {
    await core.close();
    let isCalled = false;
    expect(await failure(run(async () => void (isCalled = true)))).toBeInstanceOf(ShutdownError);
    expect(isCalled).toBe(false);
  });

  it('whose BEGIN fails comes back clean', async () => {
    const error = new QueryError('no', { sqlState: '42501' });
    script = (text) => (text.startsWith('BEGIN') ? { error } : undefined);
    expect(await failure(run(() => query('INSERT')))).toBe(error);
    expect(sent()).toEqual(['BEGIN']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('is back before the hooks are called', async () => {
    const seen: unknown[] = [];
    await run(async (tx) => {
      tx.afterCommit(() => void seen.push(stats()));
    });
    expect(seen).toEqual([expect.objectContaining({ leased: 0 })]);
  });
});
