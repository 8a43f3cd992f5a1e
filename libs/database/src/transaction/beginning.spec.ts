// How transactions begin and end on the wire: with their first statement, and not at all without one.
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DatabaseCore } from '../database.core.js';
import { DatabaseService } from '../database.service.js';
import { resolveOptions } from '../database.options.js';
import { ParameterError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { FakeAnswer } from '../testing/fake-answer.js';

import { FakeDriver } from '../testing/fake-driver.js';
import { answerProbe } from '../testing/fake-probe.js';

let clock: FakeClock;
let driver: FakeDriver;
let core: DatabaseCore;
let db: DatabaseService;
/** What statements are answered, those of probes and of the pool itself aside. */
let script: (text: string) => FakeAnswer | undefined;

beforeEach(async () => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  script = () => undefined;
  driver.script = (statement, asked) => answerProbe(statement, asked) ?? script(statement.text);
  const resolved = resolveOptions({
    url: 'postgresql://db/d',
    pool: { max: 2, min: 0, closeTimeoutMs: 1_000 },
    retry: { jitter: 0 },
    routing: { probeIntervalMs: 1_000_000 },
    telemetry: { log: false },
  });
  core = new DatabaseCore(resolved, { driver, clock });
  db = new DatabaseService(core);
  await core.start();
});

afterEach(async () => {
  const closing = core.close();
  await clock.elapseMs(60_000);
  await closing;
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

const sent = (): string[] => driver.texts.filter((text) => !text.includes('pg_is_in_recovery'));
const stats = (): object => core.pools()[0] as object;
const limit = (ms: number): string => `SET LOCAL statement_timeout = ${ms}`;
/** The outcome of a promise, which has to be settled by `ms`. */
async function outcome(promise: Promise<unknown>, ms = 0): Promise<unknown> {
  let settled: unknown = new Error('it is still pending');
  void promise.then(
    (value) => (settled = value),
    (error: unknown) => (settled = error),
  );
  await clock.elapseMs(ms);
  return settled;
}
const refusal = new QueryError('permission denied', { sqlState: '42501' });
const refusesBegin = (text: string): FakeAnswer | undefined =>
  text.startsWith('BEGIN') ? { error: refusal } : undefined;

describe('a transaction', () => {
  it('begins with its first statement, within what is left of its time by then', async () => {
    await outcome(
      db.transaction(
        async () => {
          await clock.sleep(400);
          await db.query('INSERT 1');
          await db.query('INSERT 2');
        },
        { timeoutMs: 1_000, isolation: 'repeatable read' },
      ),
      500,
    );
    const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ';
    expect(sent()).toEqual([begin, limit(620), 'INSERT 1', 'INSERT 2', 'COMMIT']);
  });

  it('without a statement sends nothing, and calls its hooks', async () => {
    const hooks: string[] = [];
    const done = await outcome(
      db.transaction(async (tx) => {
        tx.afterCommit(() => void hooks.push('committed'));
        return 7;
      }),
    );
    const failing = db.transaction(async (tx) => {
      tx.afterRollback(() => void hooks.push('rolled back'));
      throw refusal;
    });
    expect([done, await outcome(failing)]).toEqual([7, refusal]);
    expect(hooks).toEqual(['committed', 'rolled back']);
    expect(sent()).toEqual([]);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('tells of itself as one that is open, before its first statement', async () => {
    const seen = await outcome(
      db.transaction(async (tx) => [tx.isInTransaction, tx.isHealthy, await db.query('SELECT')]),
    );
    expect(seen).toEqual([true, true, expect.anything()]);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'a savepoint',
      () => db.transaction(async () => db.query('in'), { propagation: 'nested' }),
      'SAVEPOINT sp_1',
    ],
    ['a COPY', () => db.copyFrom('t', Readable.from(['1\n'])), 'COPY "t" FROM STDIN'],
    [
      'a cursor',
      async () => {
        for await (const row of db.stream('SELECT')) throw new Error(JSON.stringify(row));
      },
      'DECLARE cursor_1 NO SCROLL CURSOR FOR SELECT',
    ],
  ])('begins ahead of %s', async (_, first, text) => {
    expect(await outcome(db.transaction(first))).not.toBeInstanceOf(Error);
    expect(sent().slice(0, 3)).toEqual(['BEGIN', limit(30_100), text]);
    expect(sent().at(-1)).toBe('COMMIT');
  });

  it('of a stream begins with its cursor', async () => {
    const rows = async (): Promise<number> => {
      let count = 0;
      for await (const row of db.stream('SELECT')) count += row === undefined ? 0 : 1;
      return count;
    };
    expect(await outcome(rows())).toBe(0);
    expect(sent()[0]).toBe('BEGIN READ ONLY');
    expect(sent()[2]).toMatch(/^DECLARE cursor_\d+ NO SCROLL CURSOR FOR SELECT$/);
    expect(sent().at(-1)).toBe('ROLLBACK');
  });

  it('inside a session leaves nothing behind for the statement after it', async () => {
    await outcome(
      db.session(async (session) => {
        await db.transaction(async () => undefined);
        await session.query('SELECT 1');
        await db.transaction(async () => db.query('INSERT'));
        await session.query('SELECT 2');
      }),
    );
    const texts = sent().filter((text) => !text.includes('RESET ALL'));
    expect(texts).toEqual(['SELECT 1', 'BEGIN', limit(30_100), 'INSERT', 'COMMIT', 'SELECT 2']);
  });

  it('takes no statement of the session in that was given before it', async () => {
    script = () => ({ afterMs: 1 });
    await outcome(
      db.session(async (session) => {
        void session.query('before 1');
        void session.query('before 2');
        await db.transaction(async () => db.query('INSERT'));
      }),
      100,
    );
    const texts = sent().filter((text) => !text.includes('RESET ALL'));
    expect(texts).toEqual(['before 1', 'before 2', `BEGIN; ${limit(30_100)}`, 'INSERT', 'COMMIT']);
  });
});

describe('a transaction whose BEGIN fails', () => {
  it('fails by that, and nothing of it runs', async () => {
    script = refusesBegin;
    expect(await outcome(db.transaction(() => db.query('INSERT')))).toBe(refusal);
    expect(sent()).toEqual(['BEGIN']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });

  it('lets no statement into autocommit, given at the same time or later', async () => {
    script = (text) => refusesBegin(text) ?? { afterMs: 1 };
    const errors: unknown[] = [];
    const caught = (text: string): Promise<unknown> =>
      db.query(text).catch((error: unknown) => errors.push(error));
    const failing = db.transaction(async () => {
      await Promise.all([caught('a'), caught('b')]);
      await caught('c');
    });
    expect(await outcome(failing, 100)).toBe(refusal);
    expect(sent()).toEqual(['BEGIN']);
    const explained = expect.objectContaining({ sqlState: '25P02', cause: refusal });
    expect(errors).toEqual([refusal, explained, explained]);
  });

  it('is told by the one that nobody awaited', async () => {
    script = (text) => (text.startsWith('BEGIN') ? { afterMs: 5, error: refusal } : undefined);
    const failing = db.transaction(async () => {
      db.query('a').catch(() => undefined);
    });
    expect(await outcome(failing, 50)).toBe(refusal);
    expect(sent()).toEqual(['BEGIN']);
  });

  it('runs no COPY behind it', async () => {
    script = refusesBegin;
    const copying = db.transaction(() => db.copyFrom('t', Readable.from(['1\n'])));
    expect(await outcome(copying)).toBe(refusal);
    expect(sent()).toEqual(['BEGIN']);
  });

  it('inside a session leaves the session as it was', async () => {
    script = refusesBegin;
    const done = db.session(async (session) => {
      await db.transaction(() => db.query('INSERT')).catch(() => undefined);
      return (await session.query('SELECT')).command;
    });
    expect(await outcome(done)).toBe('SELECT');
  });

  it('runs again as a whole when its connection was lost', async () => {
    let begins = 0;
    script = (text) => (text === 'BEGIN' && ++begins === 1 ? { loses: 'reset' } : undefined);
    const done = db.transaction(async () => (await db.query('INSERT')).command);
    expect(await outcome(done, 1_000)).toBe('INSERT');
    expect(sent().filter((text) => text === 'INSERT')).toHaveLength(1);
  });

  it('is a failed one for what comes next, when its limit is what is refused', async () => {
    script = (text) => (text.startsWith('SET LOCAL') ? { error: refusal } : undefined);
    const failing = db.transaction(async () => {
      await db.query('a').catch(() => undefined);
      await db.query('b');
    });
    expect(await outcome(failing)).toMatchObject({ sqlState: '25P02', cause: refusal });
    expect(sent()).toEqual(['BEGIN', limit(30_100), 'b', 'ROLLBACK']);
  });
});

describe('a first statement', () => {
  it('whose value cannot be sent leaves BEGIN to the next one', async () => {
    const done = db.transaction(async () => {
      const error: unknown = await db.query('a', [Symbol('s')]).catch((failed: unknown) => failed);
      expect(error).toBeInstanceOf(ParameterError);
      return (await db.query('INSERT')).command;
    });
    expect(await outcome(done)).toBe('INSERT');
    expect(sent()).toEqual(['BEGIN', limit(30_100), 'INSERT', 'COMMIT']);
  });

  it('that ends the transaction is told, for it is not its to end', async () => {
    const failing = db.transaction(async () => {
      await db.query('COMMIT').catch(() => undefined);
      await db.query('INSERT');
    });
    expect(await outcome(failing)).toMatchObject({ message: expect.stringMatching(/ended the/) });
  });

  it('that takes too long fails the transaction, which is rolled back', async () => {
    script = (text) => (text === 'slow' ? { hangs: true } : undefined);
    const failing = db.transaction(async () => {
      await db.query('slow').catch(() => undefined);
      await db.query('next');
    });
    expect(await outcome(failing, 6_000)).toMatchObject({ sqlState: '25P02' });
    expect(sent().slice(2)).toEqual(['slow', 'next', 'ROLLBACK']);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
  });
});

describe('a read-only transaction', () => {
  const read = (): Promise<unknown> => db.query('SELECT');
  const SHOW = 'SHOW default_transaction_isolation';
  const usual = (name: string) => (text: string) =>
    text === SHOW ? { rows: [{ default_transaction_isolation: name }] } : undefined;

  it('does not await its COMMIT, and gives its connection back with the answer', async () => {
    script = (text) => (text === 'COMMIT' ? { afterMs: 50 } : undefined);
    const hooks: string[] = [];
    const done = await outcome(
      db.transaction(
        async (tx) => {
          tx.afterCommit(() => void hooks.push('committed'));
          await read();
          return 'done';
        },
        { readOnly: true, isolation: 'repeatable read' },
      ),
    );
    expect(done).toBe('done');
    expect(hooks).toEqual(['committed']);
    expect(stats()).toMatchObject({ leased: 1 });
    await clock.elapseMs(50);
    expect(stats()).toMatchObject({ leased: 0, idle: 1 });
    expect(sent().slice(1)).toEqual([limit(30_100), 'SELECT', 'COMMIT']);
  });

  it('asks once for the isolation that servers take by themselves', async () => {
    script = usual('read committed');
    for (let round = 0; round < 3; round++) await outcome(db.transaction(read, { readOnly: true }));
    expect(sent().filter((text) => text === SHOW)).toHaveLength(1);
    expect(sent().filter((text) => text === 'COMMIT')).toHaveLength(3);
  });

  it.each<[string, object, string]>([
    ['by its own word', { isolation: 'serializable' }, 'read committed'],
    ['by the setting of the server', {}, 'serializable'],
  ])('awaits it when it is serializable %s: that COMMIT may fail', async (_, options, name) => {
    const error = new QueryError('unsafe', { sqlState: '23000' });
    script = (text) => (text === 'COMMIT' ? { error, afterMs: 5 } : usual(name)(text));
    const failing = db.transaction(read, { readOnly: true, ...options });
    expect(await outcome(failing, 10)).toBe(error);
  });

  it('that is serializable and deferrable cannot fail any more', async () => {
    script = (text) => (text === 'COMMIT' ? { afterMs: 50 } : undefined);
    const options = { readOnly: true, deferrable: true, isolation: 'serializable' } as const;
    expect(await outcome(db.transaction(read, options))).toMatchObject({ command: 'SELECT' });
    await clock.elapseMs(50);
  });

  it('has failed when a statement inside it has, whose error was swallowed', async () => {
    script = (text) => (text === 'SELECT' ? { error: refusal } : usual('read committed')(text));
    const failing = db.transaction(() => read().catch(() => undefined), { readOnly: true });
    expect(await outcome(failing)).toBe(refusal);
  });

  it('waits for the statement that nobody awaited', async () => {
    script = (text) => (text === 'stray' ? { afterMs: 20 } : usual('read committed')(text));
    const work = async (): Promise<void> => void db.query('stray').catch(() => undefined);
    await outcome(db.transaction(work, { readOnly: true }), 30);
    expect(sent().slice(2)).toEqual(['stray', 'COMMIT']);
  });

  it.each<[string, FakeAnswer]>([
    ['is lost', { loses: 'reset' }],
    ['is never answered', { hangs: true }],
  ])('whose COMMIT %s costs the connection, and the caller nothing', async (_, answer) => {
    script = (text) => (text === 'COMMIT' ? answer : undefined);
    const options = { readOnly: true, isolation: 'read committed' } as const;
    expect(await outcome(db.transaction(read, options))).toMatchObject({ command: 'SELECT' });
    await clock.elapseMs(6_000);
    expect(stats()).toMatchObject({ leased: 0, total: 0 });
  });

  it('whose COMMIT is refused costs nothing: the server has ended it', async () => {
    script = (text) => (text === 'COMMIT' ? { error: refusal, afterMs: 5 } : undefined);
    const options = { readOnly: true, isolation: 'read committed' } as const;
    expect(await outcome(db.transaction(read, options))).toMatchObject({ command: 'SELECT' });
    await clock.elapseMs(10);
    expect(stats()).toMatchObject({ leased: 0, idle: 1, closed: 0 });
  });
});
