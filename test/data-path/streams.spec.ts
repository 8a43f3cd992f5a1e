// Rows by cursor, and COPY in both directions.
import { Readable } from 'node:stream';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ParameterError,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  UniqueViolationError,
  UsageError,
} from 'nestjs-database';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('streams');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 3, min: 1 } }));
useLeakCheck({ database, pools: () => app.pools.stats() });

beforeAll(async () => {
  await database.sql(
    'create table quote (id int primary key, note text, at timestamptz, raw bytea)',
  );
});
beforeEach(async () => {
  await database.sql('truncate quote');
});

const count = async (): Promise<number> => {
  const [row] = await database.sql<{ n: number }>('select count(*)::int as n from quote');
  return row?.n ?? -1;
};

describe('stream', () => {
  it('gives all rows, in order, in batches', async () => {
    const seen: number[] = [];
    const rows = app.db.stream<{ i: number }>(
      'select i from generate_series(1, $1::int) i',
      [2_500],
      { batchSize: 100 },
    );
    for await (const { i } of rows) seen.push(i);
    expect(seen).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
  });

  it('gives the connection back when the reader leaves the loop', async () => {
    for await (const row of app.db.stream('select i from generate_series(1, 1000000) i')) {
      expect(row).toEqual({ i: 1 });
      break;
    }
    expect(app.pools.stats()[0]).toMatchObject({ leased: 0 });
  });

  it('gives it back after an error, which is typed', async () => {
    const all = async (): Promise<void> => {
      for await (const row of app.db.stream(
        'select 10 / (500 - i) as x from generate_series(1, 600) i',
        [],
        { batchSize: 50 },
      )) {
        expect(row).toBeDefined();
      }
    };
    const error = await failure(all(), QueryError);
    expect(error.sqlState).toBe('22012');
  });

  it('inside a transaction sees its rows, and other statements go on', async () => {
    const seen: unknown[] = [];
    await app.db.transaction(async () => {
      await app.db.query(`insert into quote (id) values (1), (2)`);
      for await (const { id } of app.db.stream<{ id: number }>(
        'select id from quote order by id',
        [],
        { batchSize: 1 },
      )) {
        await app.db.query(`update quote set note = 'seen' where id = $1`, [id]);
        seen.push(id);
      }
    });
    expect(seen).toEqual([1, 2]);
    expect(await database.sql('select distinct note from quote')).toEqual([{ note: 'seen' }]);
  });
});

describe('a stream with limits', () => {
  const thousand = 'select i, pg_sleep(0.001) from generate_series(1, 1000) i';

  it('ends when the caller aborts it', async () => {
    const controller = new AbortController();
    let rows = 0;
    const reading = (async () => {
      for await (const row of app.db.stream(thousand, [], {
        batchSize: 10,
        signal: controller.signal,
      })) {
        expect(row).toBeDefined();
        if (++rows === 25) controller.abort();
      }
    })();
    await failure(reading, QueryAbortedError);
    expect(rows).toBe(25);
  });

  it('tells a fetch that takes too long as what it is', async () => {
    const reading = (async () => {
      const slow = 'select pg_sleep(5) from generate_series(1, 3)';
      for await (const row of app.db.stream(slow, [], { fetchTimeoutMs: 100 }))
        expect(row).toBeDefined();
    })();
    await failure(reading, QueryTimeoutError);
  });

  it('refuses a batch of nothing', async () => {
    const reading = app.db.stream('select 1', [], { batchSize: 0 })[Symbol.asyncIterator]().next();
    await failure(reading, UsageError);
  });

  it('in a session sees its temporary tables, and other statements go on', async () => {
    const seen: unknown[] = [];
    await app.db.session(async (session) => {
      await session.query('create temp table mine as select i from generate_series(1, 3) i');
      for await (const row of app.db.stream('select i from mine order by i', [], {
        batchSize: 1,
      })) {
        await session.query('insert into mine values (9)');
        seen.push(row);
      }
    });
    expect(seen).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }]);
  });
});

describe('copyFrom', () => {
  it('stores rows with every awkward character, and counts them', async () => {
    const at = new Date('2021-03-04T05:06:07.890Z');
    const rows = [
      [1, 'tab\tnewline\nreturn\rbackslash\\ \\N', at, Buffer.from([0, 255])],
      [2, null, null, null],
      [3, '', at, Buffer.alloc(0)],
    ];
    expect(await app.db.copyFrom('quote', rows)).toBe(3);
    const stored = await app.db.read({ text: 'select * from quote order by id', rowMode: 'array' });
    expect(stored).toEqual(rows);
  });

  it('takes CSV text, chosen columns, and an own COPY', async () => {
    expect(
      await app.db.copyFrom('quote', ['1,"a,b"\n2,', 'c\n'], {
        columns: ['id', 'note'],
        format: 'csv',
      }),
    ).toBe(2);
    const csv = Readable.from(['id;note\n3;d\n']);
    expect(
      await app.db.copyFrom(
        `copy quote (id, note) from stdin with (format csv, delimiter ';', header)`,
        csv,
      ),
    ).toBe(1);
    expect(await app.db.read('select note from quote order by id')).toEqual([
      { note: 'a,b' },
      { note: 'c' },
      { note: 'd' },
    ]);
  });

  it('quotes the names it is given', async () => {
    const error = await failure(app.db.copyFrom('quote"; drop table quote; --', [[1]]), QueryError);
    expect(error.sqlState).toBe('42P01');
    expect(await count()).toBe(0);
  });

  it('stores nothing when a row is refused', async () => {
    await failure(app.db.copyFrom('quote', [[1], [1]], { columns: ['id'] }), UniqueViolationError);
    expect(await count()).toBe(0);
  });

  it('stores nothing when the source fails midway', async () => {
    async function* source(): AsyncGenerator<readonly unknown[]> {
      for (let i = 0; i < 5_000; i++) yield [i];
      await Promise.resolve();
      throw new Error('the file broke');
    }
    const error = await failure(
      app.db.copyFrom('quote', source(), { columns: ['id'] }),
      QueryError,
    );
    expect(error.message).toContain('the file broke');
    expect(await count()).toBe(0);
  });

  it('stores nothing when a value cannot be sent', async () => {
    const error = await failure(
      app.db.copyFrom('quote', [[1], [() => 1]], { columns: ['id'] }),
      QueryError,
    );
    expect(error.cause).toBeInstanceOf(ParameterError);
    expect(await count()).toBe(0);
  });

  it('shares the fate of its transaction', async () => {
    const boom = new Error('boom');
    const failing = app.db.transaction(async () => {
      await app.db.copyFrom('quote', [[1]], { columns: ['id'] });
      throw boom;
    });
    await expect(failing).rejects.toBe(boom);
    expect(await count()).toBe(0);
  });

  it('ends when the caller aborts a source that never ends', async () => {
    const controller = new AbortController();
    async function* forever(): AsyncGenerator<readonly unknown[]> {
      for (let i = 0; ; i++) {
        if (i === 10_000) controller.abort();
        yield [i];
        if (i % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await failure(
      app.db.copyFrom('quote', forever(), { columns: ['id'], signal: controller.signal }),
      QueryAbortedError,
    );
    expect(await count()).toBe(0);
  });
});

describe('copyTo', () => {
  it('streams what COPY gives', async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of app.db.copyTo(
      'copy (select i from generate_series(1, 3) i) to stdout',
    ))
      chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('1\n2\n3\n');
  });

  it('stops on the server when its reader leaves', async () => {
    for await (const chunk of app.db.copyTo(
      `copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout`,
    )) {
      expect(chunk).toBeDefined();
      break;
    }
    await waitFor(() => app.pools.stats()[0]?.leased === 0, {
      describe: 'the connection to return',
    });
  });

  it('tells an error by the stream', async () => {
    const read = async (): Promise<void> => {
      for await (const chunk of app.db.copyTo('copy (select 1/0) to stdout'))
        expect(chunk).toBeDefined();
    };
    expect((await failure(read(), QueryError)).sqlState).toBe('22012');
  });

  it('takes nothing but a COPY', () => {
    expect(() => app.db.copyTo('quote')).toThrow(UsageError);
  });
});
