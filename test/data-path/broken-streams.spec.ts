// COPY that breaks midway, in every way: nothing of it is stored, the error says why, and the pool is whole.
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  UniqueViolationError,
} from 'nestjs-database';
import type { DatabaseError } from 'nestjs-database';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('broken_streams');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 2, min: 1 } }));
const columns = ['id'];

beforeAll(() => database.sql('create table quote (id int primary key, note text)'));
beforeEach(() => database.sql('truncate quote'));
/** Whatever happened: nothing was stored, no connection is missing, and the pool works. */
afterEach(async () => {
  await waitFor(() => app.pools.stats()[0]?.leased === 0, {
    describe: 'all connections to return',
  });
  expect(await database.sql('select from quote')).toEqual([]);
  const both = [1, 2].map(() => app.db.one('select 1 as one, pg_sleep(0.02)'));
  expect(await Promise.all(both)).toMatchObject([{ one: 1 }, { one: 1 }]);
});
useLeakCheck({ database, pools: () => app.pools.stats() });

/** Rows that go on for ever; `at(n)` is called before each, and may break them off. */
async function* rows(at: (n: number) => unknown): AsyncGenerator<readonly unknown[]> {
  for (let n = 0; ; n++) {
    await at(n);
    yield [n];
    // Gives the socket a turn, so that rows are on the server when it breaks.
    if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

const copying = (): Promise<Array<{ pid: number }>> =>
  database.sql<{ pid: number }>(
    `select pid from pg_stat_activity where state = 'active' and query ilike 'copy%'`,
  );

/** In one statement: a COPY that is looked up first may be over by the time it is killed. */
async function killCopy(): Promise<void> {
  const text = `select pg_terminate_backend(pid) from pg_stat_activity where state = 'active' and query ilike 'copy%'`;
  await waitFor(async () => (await database.sql(text)).length > 0, {
    describe: 'the COPY on the server',
  });
}

/** Each way in which a source, a row, the line or the time breaks a COPY in. */
const WAYS: ReadonlyArray<{
  readonly name: string;
  readonly copy: () => Promise<number>;
  readonly kind: abstract new (...args: never[]) => DatabaseError;
  readonly says: RegExp;
}> = [
  {
    name: 'the source fails at row 6000',
    copy: () =>
      app.db.copyFrom(
        'quote',
        rows((n) => {
          if (n === 6_000) throw new Error('the file broke');
        }),
        { columns },
      ),
    kind: QueryError,
    says: /the file broke/,
  },
  {
    name: 'the source fails before its first row',
    copy: () =>
      app.db.copyFrom(
        'quote',
        rows(() => {
          throw new Error('no such file');
        }),
        { columns },
      ),
    kind: QueryError,
    says: /no such file/,
  },
  {
    name: 'the source is destroyed, and so ends early without a word',
    copy: () => {
      const source = new PassThrough();
      source.write('1\n2\n');
      setImmediate(() => source.destroy());
      return app.db.copyFrom('quote', source, { columns });
    },
    kind: QueryError,
    says: /the source was closed before its end/,
  },
  {
    name: 'the source was destroyed before',
    copy: () => {
      const source = Readable.from(['1\n']);
      source.destroy();
      return app.db.copyFrom('quote', source, { columns });
    },
    kind: QueryError,
    says: /the source was closed before its end/,
  },
  {
    name: 'the text ends within a row',
    copy: () => app.db.copyFrom('quote', ['1\tone\n2'], {}),
    kind: QueryError,
    says: /missing data for column "note"/,
  },
  {
    name: 'a row is bad',
    copy: () =>
      app.db.copyFrom(
        'quote',
        (async function* () {
          for (let n = 0; n < 9_000; n++) yield [n === 6_000 ? 'no number' : n];
        })(),
        { columns },
      ),
    kind: QueryError,
    says: /invalid input syntax for type integer/,
  },
  {
    name: 'a row of a source without end is refused',
    copy: () =>
      app.db.copyFrom(
        'quote',
        (async function* () {
          yield [1];
          yield* rows(() => undefined);
        })(),
        { columns },
      ),
    kind: UniqueViolationError,
    says: /duplicate key/,
  },
  {
    name: 'the connection is killed',
    copy: () =>
      app.db.copyFrom(
        'quote',
        rows((n) => (n === 5_000 ? killCopy() : undefined)),
        { columns },
      ),
    kind: ConnectionError,
    says: /unknown|lost|ended the connection/,
  },
  {
    name: 'its time is up',
    copy: () =>
      app.db.copyFrom(
        'quote',
        rows(() => undefined),
        { columns, timeoutMs: 150 },
      ),
    kind: QueryTimeoutError,
    says: /did not end within \d+ ms/,
  },
  {
    name: 'its time is up while the source is silent',
    copy: () =>
      app.db.copyFrom('quote', new PassThrough().resume().pause(), { columns, timeoutMs: 150 }),
    kind: QueryTimeoutError,
    says: /did not end within \d+ ms/,
  },
  {
    name: 'the caller aborts it',
    copy: () => {
      const abort = new AbortController();
      const source = rows((n) => (n === 5_000 ? abort.abort() : undefined));
      return app.db.copyFrom('quote', source, { columns, signal: abort.signal });
    },
    kind: QueryAbortedError,
    says: /aborted/,
  },
];

describe.each(WAYS)('copyFrom when $name', ({ copy, kind, says }) => {
  it('stores nothing', async () => {
    expect((await failure(copy(), kind)).message).toMatch(says);
  });

  it('dooms the transaction around it, even when its error is caught', async () => {
    const transaction = app.db.transaction(
      async (tx) => {
        await tx.query('insert into quote values (-1)');
        await failure(copy(), kind);
        await tx.query('insert into quote values (-2)').catch(() => undefined);
      },
      { retries: 0 },
    );
    await expect(transaction).rejects.toThrow();
  });
});

it('copyFrom ends the source that it does not need any more', async () => {
  let ended = false;
  const source = (async function* () {
    try {
      yield ['no number'];
      yield* rows(() => undefined);
    } finally {
      ended = true;
    }
  })();
  await failure(app.db.copyFrom('quote', source, { columns }), QueryError);
  await waitFor(() => ended, { describe: 'the source to be ended' });
});

describe('copyTo', () => {
  const MANY = `copy (select i, repeat('x', 1000) from generate_series(1, 60000) i) to stdout`;

  it('goes at the pace of its reader, in little memory', async () => {
    const out = app.db.copyTo(MANY);
    let bytes = 0;
    let mostHeld = 0;
    const slow = new Writable({
      highWaterMark: 1,
      write: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        mostHeld = Math.max(mostHeld, out.readableLength);
        setImmediate(done);
      },
    });
    await pipeline(out, slow);
    expect(bytes).toBeGreaterThan(60_000_000);
    expect(mostHeld).toBeLessThan(1_000_000);
  });

  it('waits for a reader that does not read, and holds next to nothing', async () => {
    const out = app.db.copyTo(MANY);
    await waitFor(() => out.readableLength > 0, { describe: 'the first bytes' });
    await app.db.query('select pg_sleep(0.2)');
    expect(out.readableLength).toBeLessThan(1_000_000);
    out.destroy();
    await waitFor(async () => (await copying()).length === 0, { describe: 'the server to stop' });
  });

  it.each([
    ['its reader fails', new Error('the disk is full')],
    ['its reader goes away', undefined],
  ])('stops on the server when %s', async (_name, reason) => {
    let chunks = 0;
    const reader = new Writable({
      write(_chunk, _encoding, done) {
        if (++chunks === 3) this.destroy(reason);
        else done();
      },
    });
    await expect(pipeline(app.db.copyTo(MANY), reader)).rejects.toThrow(
      reason?.message ?? /Premature close/,
    );
    await waitFor(async () => (await copying()).length === 0, { describe: 'the server to stop' });
  });

  it.each<[string, () => Readable, abstract new (...args: never[]) => DatabaseError]>([
    ['its time is up', () => app.db.copyTo(MANY, { timeoutMs: 100 }), QueryTimeoutError],
    [
      'its signal is aborted',
      () => app.db.copyTo(MANY, { signal: AbortSignal.timeout(100) }),
      QueryAbortedError,
    ],
  ])(
    'tells by its error that %s, and never ends as if it were whole',
    async (_name, start, kind) => {
      const reader = new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 5) });
      await failure(pipeline(start(), reader), kind);
      expect(reader.writableFinished).toBe(false);
      await waitFor(async () => (await copying()).length === 0, { describe: 'the server to stop' });
    },
  );

  it('tells by its error that the connection was killed', async () => {
    const reader = new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 5) });
    const reading = failure(pipeline(app.db.copyTo(MANY), reader), ConnectionError);
    await killCopy();
    await reading;
    expect(reader.writableFinished).toBe(false);
  });

  it('tells by its error that a row cannot be made, after thousands that could', async () => {
    const read = async (): Promise<void> => {
      const text = 'copy (select 1 / (50000 - i) from generate_series(1, 60000) i) to stdout';
      for await (const chunk of app.db.copyTo(text)) expect(chunk).toBeDefined();
    };
    expect((await failure(read(), QueryError)).sqlState).toBe('22012');
  });

  it('dooms the transaction around it when it fails', async () => {
    const transaction = app.db.transaction(
      async (tx) => {
        await tx.query('insert into quote values (-1)');
        await failure(
          pipeline(app.db.copyTo('copy (select 1/0) to stdout'), new PassThrough().resume()),
          QueryError,
        );
      },
      { retries: 0 },
    );
    await expect(transaction).rejects.toThrow();
  });
});
