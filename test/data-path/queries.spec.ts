// One statement at a time: what comes back, and what each kind of failure says.
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  NotFoundRowError,
  ParameterError,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  ReadOnlyError,
  TooManyRowsError,
  UniqueViolationError,
  UsageError,
} from 'nestjs-database';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('queries');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 4, min: 1 } }));
useLeakCheck({ database, pools: () => app.pools.stats() });

beforeAll(async () => {
  await database.sql(
    'create table item (id int primary key, name text not null, n int check (n > 0))',
  );
  await database.sql(`insert into item select i, 'item ' || i, i from generate_series(1, 10) i`);
});

describe('results', () => {
  it('gives rows, their count, the command and the fields', async () => {
    const result = await app.db.query<{ id: number }>('select id from item where id <= $1', [2]);
    expect(result.rows).toEqual([{ id: 1 }, { id: 2 }]);
    expect(result).toMatchObject({ rowCount: 2, command: 'SELECT' });
    expect(result.fields.map(({ name }) => name)).toEqual(['id']);
  });

  it('counts the rows that a statement changed', async () => {
    const result = await app.db.query('update item set n = n where id > 7');
    expect(result).toMatchObject({ rowCount: 3, command: 'UPDATE', rows: [] });
  });

  it('takes a statement as one object, and rows as arrays', async () => {
    const result = await app.db.query<unknown[]>({
      text: 'select id, name from item where id = $1',
      values: [1],
      rowMode: 'array',
    } as never);
    expect(result.rows).toEqual([[1, 'item 1']]);
  });

  it('gives the last result of several statements', async () => {
    expect((await app.db.query('select 1 as a; select 2 as b')).rows).toEqual([{ b: 2 }]);
  });

  it('keeps int8 and numeric exact, as text', async () => {
    const [row] = await app.db.read('select 9007199254740993::int8 as big, 0.1::numeric as exact');
    expect(row).toEqual({ big: '9007199254740993', exact: '0.1' });
  });

  it('binds values of all common kinds', async () => {
    const day = new Date('2020-02-29T12:00:00Z');
    const [row] = await app.db.read(
      'select $1::int as i, $2::text as t, $3::timestamptz as d, $4::jsonb as j, $5::int[] as a, $6::bytea as b, $7::text as n',
      [7, "o'clock", day, { deep: [1] }, [1, 2], Buffer.from('x'), null],
    );
    expect(row).toEqual({
      i: 7,
      t: "o'clock",
      d: day,
      j: { deep: [1] },
      a: [1, 2],
      b: Buffer.from('x'),
      n: null,
    });
  });

  it('runs a named statement again and again', async () => {
    for (const id of [1, 2, 3]) {
      const rows = await app.db.read('select id from item where id = $1', [id], { name: 'by id' });
      expect(rows).toEqual([{ id }]);
    }
  });
});

describe('one and maybeOne', () => {
  it('tell no row, one row and more rows apart', async () => {
    expect(await app.db.one('select id from item where id = 1')).toEqual({ id: 1 });
    expect(await app.db.maybeOne('select id from item where id = 99')).toBeUndefined();
    await failure(app.db.one('select id from item where id = 99'), NotFoundRowError);
    const error = await failure(app.db.maybeOne('select id from item'), TooManyRowsError);
    expect(error.rowCount).toBe(10);
  });
});

describe('one of a write', () => {
  it('gives its RETURNING row', async () => {
    const text = `insert into item values ($1, 'new', 1) returning id`;
    expect(await app.db.one(text, [50])).toEqual({ id: 50 });
    await app.db.query('delete from item where id = 50');
  });
});

describe('what the server refuses', () => {
  it('is typed, with its facts as fields, and keeps the backend', async () => {
    const before = await app.db.one<{ pid: number }>('select pg_backend_pid() as pid');
    for (let i = 0; i < 20; i++) {
      const error = await failure(
        app.db.query(`insert into item values (1, 'again', 1)`),
        UniqueViolationError,
      );
      expect(error).toMatchObject({
        sqlState: '23505',
        constraint: 'item_pkey',
        table: 'item',
        safeToRetry: false,
      });
    }
    const after = await app.db.one<{ pid: number }>('select pg_backend_pid() as pid');
    expect(after.pid).toBe(before.pid);
  });

  it('is told for wrong SQL, with its position', async () => {
    const error = await failure(app.db.query('selec 1'), QueryError);
    expect(error).toMatchObject({ code: 'DB_QUERY', sqlState: '42601', position: 1 });
  });

  it('is told for the wrong number of parameters, and is no outage', async () => {
    const error = await failure(app.db.query('select $1::int, $2::int', [1]), QueryError);
    expect(error).toMatchObject({ sqlState: '08P01', outage: false });
    expect(error.message).toMatch(/one value for each \$n/);
  });
});

describe('parameters that cannot be sent', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;

  it.each([
    ['a circular object', circular],
    ['a bigint inside an object', { n: 1n }],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['an invalid date', new Date(Number.NaN)],
  ])('%s is named by its position, and nothing is sent', async (_, value) => {
    const error = await failure(
      app.db.query('select $1::int, $2::text', [1, value]),
      ParameterError,
    );
    expect(error).toMatchObject({ position: 2, safeToRetry: true, code: 'DB_PARAMETER' });
  });

  it('65,536 parameters are too many', async () => {
    const values = Array.from({ length: 65_536 }, () => 1);
    const error = await failure(app.db.query('select 1', values), ParameterError);
    expect(error.message).toMatch(/ANY\(\$1\)/);
  });
});

describe('read', () => {
  it.each([
    [`insert into item values (11, 'x', 1)`, 'INSERT'],
    ['with gone as (delete from item returning id) select * from gone', 'DELETE'],
    ['select * from item for update', 'row lock'],
    ['select * into copy_of_item from item', 'SELECT INTO'],
    [`select nextval('s')`, 'nextval'],
    ['select pg_advisory_lock(1)', 'pg_advisory_lock'],
    ['explain analyze delete from item', 'DELETE'],
    ['select 1; drop table item', 'DROP'],
    ['set search_path = x', 'VARIABLESET'],
  ])('refuses %s before it is sent', async (text, because) => {
    const error = await failure(app.db.read(text), ReadOnlyError);
    expect(error).toMatchObject({ code: 'DB_READ_ONLY', safeToRetry: true });
    expect(error.message).toContain(because);
  });

  it.each(['table item', 'values (1)', 'explain select 1', 'show search_path'])(
    'takes %s',
    async (text) => {
      expect((await app.db.read(text)).length).toBeGreaterThan(0);
    },
  );
});

describe('time', () => {
  it('is up for a slow statement, which is cancelled on the server', async () => {
    const error = await failure(
      app.db.query('select pg_sleep(30) /* slow one */', [], { timeoutMs: 100 }),
      QueryTimeoutError,
    );
    expect(error).toMatchObject({ code: 'DB_QUERY_TIMEOUT', safeToRetry: false });
    await waitFor(
      async () => {
        const [row] = await database.sql<{ n: string }>(
          `select count(*) as n from pg_stat_activity where query like '%slow one%' and state = 'active' and pid <> pg_backend_pid()`,
        );
        return row?.n === '0';
      },
      { describe: 'the server to stop the statement' },
    );
  });

  it('never hits the next query on that connection', async () => {
    for (let i = 0; i < 40; i++) {
      const slow = app.db.query('select pg_sleep(10)', [], { timeoutMs: 5 });
      await failure(slow, QueryTimeoutError);
      expect(await app.db.one('select 1 as one')).toEqual({ one: 1 });
    }
  });

  it('is up by the abort of the caller as well', async () => {
    const controller = new AbortController();
    const slow = app.db.query('select pg_sleep(30)', [], { signal: controller.signal });
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the query to run' });
    controller.abort(new Error('the user left'));
    const error = await failure(slow, QueryAbortedError);
    expect(error.cause).toMatchObject({ message: 'the user left' });
  });

  it.each([0, -5, Number.NaN, '5s'])('cannot be %p', async (timeoutMs) => {
    const query = app.db.query('select 1', [], { timeoutMs: timeoutMs as number });
    await failure(query, UsageError);
  });

  it('does not begin for a signal that is aborted already', async () => {
    const signal = AbortSignal.abort();
    const error = await failure(app.db.query('select 1', [], { signal }), QueryAbortedError);
    expect(error.safeToRetry).toBe(true);
  });
});

describe('a connection that dies', () => {
  const kill = async (app_: string): Promise<void> => {
    await database.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like $1 and pid <> pg_backend_pid()`,
      [`%${app_}%`],
    );
  };

  it('repeats a read by itself', async () => {
    const text = 'select pg_sleep(0.5), 1 as answer /* read that dies */';
    const reading = app.db.read<{ answer: number }>(text);
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the read to run' });
    await kill('read that dies');
    expect((await reading)[0]?.answer).toBe(1);
  });

  it('does not repeat a write: whether it took effect is unknown', async () => {
    const writing = app.db.query('select pg_sleep(5) /* write that dies */');
    const failing = failure(writing, ConnectionError);
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the write to run' });
    await kill('write that dies');
    const error = await failing;
    expect(error).toMatchObject({ safeToRetry: false, outage: true });
  });
});
