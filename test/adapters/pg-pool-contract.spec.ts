// What users of `pg.Pool` rely on: the same cases on `pg.Pool` itself and on our facade.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import copyStreams from 'pg-copy-streams';
import Cursor from 'pg-cursor';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('pg_pool_contract');

interface Opened {
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

const makers: Record<string, () => Promise<Opened>> = {
  'pg.Pool': async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 4 });
    return { pool, close: () => pool.end() };
  },
  'our facade': async () => {
    const app: DatabaseApp = await startDatabaseApp({
      url: database.url,
      pool: { max: 4, min: 0 },
    });
    // No cast: the facade is a pg.Pool to the type checker too.
    const pool: pg.Pool = app.pools.pgPool();
    return { pool, close: app.close };
  },
};

/** How a call ended: what it resolved with, or which SQLSTATE. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: { code?: string }) => `error ${error.code}`,
  );
}

beforeAll(async () => {
  await database.sql('create table item (id int primary key, name text unique, at timestamptz)');
});

describe.each(Object.entries(makers))('%s', (_name, open) => {
  let opened: Opened;
  let pool: pg.Pool;
  beforeAll(async () => {
    opened = await open();
    ({ pool } = opened);
  });
  afterAll(() => opened.close());
  useLeakCheck({ handles: false });

  it('answers a text', async () => {
    const result = await pool.query('select 1 as one, null as nothing');
    expect(result.rows).toStrictEqual([{ one: 1, nothing: null }]);
    expect(Object.getPrototypeOf(result.rows[0])).toBe(Object.prototype);
    expect(result).toMatchObject({ rowCount: 1, command: 'SELECT' });
    expect(result.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
      ['one', 23],
      ['nothing', 25],
    ]);
    expect(Object.prototype.hasOwnProperty.call(result, 'rows')).toBe(true);
    expect(Object.prototype.hasOwnProperty.call(result, 'rowCount')).toBe(true);
  });

  it.each([
    ['text and values', () => pool.query('select $1::int as n', [1])],
    ['an object', () => pool.query({ text: 'select $1::int as n', values: [1] })],
    ['an object and values', () => pool.query({ text: 'select $1::int as n' }, [1])],
    [
      'an object with a name',
      () => pool.query({ name: 'n', text: 'select $1::int as n', values: [1] }),
    ],
    ['no values', () => pool.query('select 1 as n', [])],
  ])('takes %s', async (_form, query) => {
    expect((await query()).rows).toEqual([{ n: 1 }]);
  });

  it('gives rows as arrays', async () => {
    const { rows } = await pool.query({
      text: 'select 1, $1::text',
      values: ['a'],
      rowMode: 'array',
    });
    expect(rows).toEqual([[1, 'a']]);
  });

  it('parses by the types of the statement', async () => {
    const types = {
      getTypeParser: () => (value: string) => `<${value}>`,
    } as unknown as pg.CustomTypesConfig;
    const { rows } = await pool.query({
      text: 'select 1 as n, now()::date::text <> $1 as t',
      values: [''],
      types,
    });
    expect(rows).toEqual([{ n: '<1>', t: '<t>' }]);
  });

  it('gives an array for several statements', async () => {
    const results = (await pool.query(
      'select 1 as a; select 2 as b',
    )) as unknown as pg.QueryResult[];
    expect(results.map(({ rows }) => rows as unknown)).toEqual([[{ a: 1 }], [{ b: 2 }]]);
  });

  it.each([
    ['create temp table t (n int) on commit drop', null, 'CREATE'],
    ["insert into item values (1, 'a') on conflict do nothing", expect.any(Number), 'INSERT'],
    ['update item set name = name where false', 0, 'UPDATE'],
    ["set application_name = 'x'", null, 'SET'],
    ['', null, null],
  ])('counts rows of %j', async (text, rowCount, command) => {
    expect(await pool.query(text)).toMatchObject({ rowCount, command, rows: [] });
  });

  it.each([
    ['select 1 as n'],
    ['select $1::int as n', [1]],
    [{ text: 'select $1::int as n', values: [1] }],
  ] as unknown as Array<[never, never?]>)('tells a callback about %j', async (...args) => {
    const result = await new Promise((resolve, reject) => {
      const callback = (error: Error | undefined, value: unknown): void =>
        error ? reject(error) : resolve(value);
      const returned: unknown = (pool.query as (...all: unknown[]) => unknown)(
        ...args.filter((arg) => arg !== undefined),
        callback,
      );
      expect(returned).toBeUndefined();
    });
    expect(result).toMatchObject({ rows: [{ n: 1 }] });
  });

  it('tells a callback about an error', async () => {
    const error = await new Promise((resolve) => {
      (pool.query as (text: string, callback: (error: unknown) => void) => void)('selec', resolve);
    });
    expect(error).toMatchObject({ code: '42601', position: expect.anything() });
  });

  it('rejects with the fields of PostgreSQL', async () => {
    await database.sql("insert into item values (10, 'ten') on conflict do nothing");
    const error: unknown = await pool
      .query("insert into item values (11, 'ten')")
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      code: '23505',
      severity: 'ERROR',
      schema: 'public',
      table: 'item',
      constraint: 'item_name_key',
      detail: 'Key (name)=(ten) already exists.',
      routine: '_bt_check_unique',
      message: 'duplicate key value violates unique constraint "item_name_key"',
    });
    expect(String(error)).toBe(
      'error: duplicate key value violates unique constraint "item_name_key"',
    );
    expect((error as Error).stack).toContain('pg-pool-contract.spec');
  });

  it.each([
    ['a name that stands for another text', () => pool.query({ name: 'same', text: 'select 2' })],
    [
      'a parser that throws',
      () => {
        const types = {
          getTypeParser: () => () => {
            throw new Error('no');
          },
        };
        return pool.query({ text: 'select 1', types: types });
      },
    ],
    ['values that are no array', () => pool.query('select $1', 'a' as never)],
    ['no query', () => pool.query(undefined as never)],
  ])('survives %s', async (_what, query) => {
    for (let n = 0; n < 4; n++) {
      await pool.query({ name: 'same', text: 'select 1' }).catch(() => undefined);
    }
    await expect(query()).rejects.toThrow();
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  it('checks a client out and in', async () => {
    const client = await pool.connect();
    const [a, b] = [
      await client.query('select pg_backend_pid() as pid'),
      await client.query('select pg_backend_pid() as pid'),
    ];
    expect(a.rows).toEqual(b.rows);
    expect((client as unknown as { processID: number }).processID).toBe(a.rows[0].pid);
    client.release();
    expect(() => client.release()).toThrow(
      'Release called on client which has already been released to the pool.',
    );
  });

  it('checks a client out for a callback', async () => {
    const rows = await new Promise((resolve, reject) => {
      pool.connect((error, client, release) => {
        if (error || !client) return reject(error ?? new Error('no client'));
        client.query('select 1 as n', (queryError: Error, result: pg.QueryResult) => {
          release();
          if (queryError) reject(queryError);
          else resolve(result.rows);
        });
      });
    });
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('runs a transaction on a client', async () => {
    const client = await pool.connect();
    await client.query('begin isolation level serializable');
    await client.query("insert into item values (20, 'rolled back')");
    const inside = await client.query("select current_setting('transaction_isolation') as level");
    expect(client.getTransactionStatus()).toBe('T');
    await client.query('rollback');
    client.release();
    expect(inside.rows).toEqual([{ level: 'serializable' }]);
    expect(await database.sql('select from item where id = 20')).toEqual([]);
  });

  it('keeps statements of a client in order', async () => {
    const client = await pool.connect();
    const results = await Promise.all([
      client.query('begin'),
      outcome(client.query('selec')),
      outcome(client.query('select 1')),
      client.query('rollback'),
      client.query('select 2 as n'),
    ]);
    client.release();
    expect(results).toMatchObject([
      { command: 'BEGIN' },
      'error 42601',
      'error 25P02',
      { command: 'ROLLBACK' },
      { rows: [{ n: 2 }] },
    ]);
  });

  it('quotes', async () => {
    const client = await pool.connect();
    expect(['a"b', 'A'].map((name) => client.escapeIdentifier(name))).toEqual(['"a""b"', '"A"']);
    expect(["it's", 'a\\b'].map((text) => client.escapeLiteral(text))).toEqual([
      "'it''s'",
      " E'a\\\\b'",
    ]);
    client.release();
  });

  it('runs a cursor', async () => {
    const client = await pool.connect();
    const cursor = client.query(
      new Cursor<{ n: number }>('select n from generate_series(1, $1) n', [5]),
    );
    const batches = [await cursor.read(2), await cursor.read(2)];
    await cursor.close();
    const after = await client.query('select 1 as n');
    client.release();
    expect(batches).toEqual([
      [{ n: 1 }, { n: 2 }],
      [{ n: 3 }, { n: 4 }],
    ]);
    expect(after.rows).toEqual([{ n: 1 }]);
  });

  it('fails a cursor with the fields of PostgreSQL', async () => {
    const client = await pool.connect();
    const cursor = client.query(new Cursor('select 1 / (n - 2) from generate_series(1, 3) n'));
    expect(await outcome(cursor.read(10))).toBe('error 22012');
    const after = await client.query('select 1 as n');
    client.release();
    expect(after.rows).toEqual([{ n: 1 }]);
  });

  it('runs COPY streams', async () => {
    const client = await pool.connect();
    await client.query('create temp table copied (n int)');
    await pipeline(
      Readable.from(['1\n', '2\n']),
      client.query(copyStreams.from('copy copied from stdin')),
    );
    const out = await client.query(copyStreams.to('copy copied to stdout')).toArray();
    await client.query('drop table copied');
    client.release();
    expect(Buffer.concat(out as Buffer[]).toString()).toBe('1\n2\n');
  });

  it('tells about its clients', async () => {
    const seen: string[] = [];
    const listeners = ['connect', 'acquire', 'release', 'remove'] as const;
    for (const event of listeners) pool.on(event, () => seen.push(event));
    const client = await pool.connect();
    client.release(true);
    await pool.query('select 1');
    for (const event of listeners) pool.removeAllListeners(event);
    expect(seen.filter((event) => event === 'acquire')).toHaveLength(2);
    expect(seen.filter((event) => event === 'release')).toHaveLength(2);
    expect(seen).toContain('remove');
  });

  it('lets a listener set the session up before the borrower', async () => {
    pool.on('connect', (client) => void client.query("set work_mem = '5MB'"));
    const clients = await Promise.all([
      pool.connect(),
      pool.connect(),
      pool.connect(),
      pool.connect(),
    ]);
    const fresh = await Promise.all(clients.map((client) => client.query('show work_mem')));
    for (const client of clients) client.release(true);
    pool.removeAllListeners('connect');
    expect(fresh.map(({ rows }) => rows[0].work_mem as unknown)).toContain('5MB');
  });

  it('hears notices and notifications', async () => {
    const client = await pool.connect();
    const heard: unknown[] = [];
    client.on('notice', (notice) => heard.push(notice.message));
    client.on('notification', ({ channel, payload }) => heard.push([channel, payload]));
    await client.query("do $$ begin raise notice 'hello'; end $$");
    await client.query('listen news');
    await database.sql("select pg_notify('news', 'today')");
    await client.query('select 1');
    if (heard.length < 2) await once(client, 'notification');
    await client.query('unlisten news');
    client.release();
    expect(heard).toEqual(['hello', ['news', 'today']]);
  });

  it('tells the holder of a client that its connection is lost', async () => {
    const client = await pool.connect();
    const lost = once(client, 'error');
    // `pg` tells it twice, and crashes when nobody listens to the second one.
    client.on('error', () => undefined);
    const { rows } = await client.query('select pg_backend_pid() as pid');
    await database.sql('select pg_terminate_backend($1)', [rows[0].pid]);
    expect((await lost)[0]).toBeInstanceOf(Error);
    await expect(client.query('select 1')).rejects.toThrow();
    client.release(new Error('lost'));
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  it('has figures and settings', async () => {
    await pool.query('select 1');
    expect(pool.totalCount).toBeGreaterThan(0);
    expect(pool).toMatchObject({
      waitingCount: 0,
      ending: false,
      ended: false,
      options: { max: 4 },
    });
  });

  it('answers 200 queries on 4 connections', async () => {
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    const results = await Promise.all(numbers.map((n) => pool.query('select $1::int as n', [n])));
    expect(results.map(({ rows }) => rows[0].n as unknown)).toEqual(numbers);
    expect(pool.totalCount).toBeLessThanOrEqual(4);
  });
});
