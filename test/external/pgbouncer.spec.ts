// Behind PgBouncer: what it is found to be, what works, and what is refused instead of going wrong in silence.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryTimeoutError, UsageError } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startLibrary } from '../adapters/typeorm-entities.js';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startPgBouncer } from '../support/pgbouncer.js';
import type { PgBouncer } from '../support/pgbouncer.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('pgbouncer');

beforeAll(() => database.sql('create table account (id int primary key, cents int not null)'));

describe('in transaction mode', () => {
  let pooler: PgBouncer;
  let app: DatabaseApp;
  const options = (extra: DatabaseModuleOptions = {}): DatabaseModuleOptions => ({
    url: pooler.url(database.url),
    pool: { max: 8, min: 1 },
    ...extra,
  });

  beforeAll(async () => {
    pooler = await startPgBouncer({ server: database.url, mode: 'transaction', poolSize: 4 });
    app = await startDatabaseApp(options());
  });
  afterAll(async () => {
    await app?.close();
    await pooler?.stop();
  });
  beforeEach(async () => {
    await database.sql('truncate account');
    await database.sql('insert into account select i, 100 from generate_series(1, 5) i');
  });

  it('is found out', () => {
    expect(app.pools.nodes()[0]).toMatchObject({ role: 'primary', pooling: 'transaction' });
  });

  it('is found out though it gives each transaction another backend', async () => {
    const robin = await startPgBouncer({
      server: database.url,
      mode: 'transaction',
      settings: ['server_round_robin = 1', 'min_pool_size = 3'],
    });
    const other = await startDatabaseApp({ url: robin.url(database.url) });
    expect(other.pools.nodes()[0]?.pooling).toBe('transaction');
    await other.close();
    await robin.stop();
  });

  it('has queries, reads, streams and COPY in both directions', async () => {
    const { db } = app;
    expect((await db.query('select $1::int as n', [7])).rows).toEqual([{ n: 7 }]);
    expect(await db.one('select count(*)::int as n from account')).toEqual({ n: 5 });
    const seen: unknown[] = [];
    for await (const row of db.stream('select id from account order by id', [], { batchSize: 2 }))
      seen.push(row);
    expect(seen).toHaveLength(5);
    expect(
      await db.copyFrom('account', [
        [6, 1],
        [7, 2],
      ]),
    ).toBe(2);
    const text: string[] = [];
    for await (const chunk of db.copyTo('copy (select count(*) from account) to stdout'))
      text.push(String(chunk));
    expect(text.join('')).toBe('7\n');
  });

  it('has transactions, whose settings end with them', async () => {
    const inside = await app.db.transaction(
      async (tx) => {
        await tx.query(`set local work_mem = '7MB'`);
        const { rows } = await tx.query('show work_mem');
        return rows[0];
      },
      { isolation: 'serializable' },
    );
    expect(inside).toEqual({ work_mem: '7MB' });
    const outside = await Promise.all(
      Array.from({ length: 16 }, () =>
        app.db.one(
          `select current_setting('work_mem') as w, current_setting('statement_timeout') as t`,
        ),
      ),
    );
    expect(new Set(outside.map((row) => JSON.stringify(row))).size).toBe(1);
    expect(outside[0]).not.toMatchObject({ w: '7MB' });
    expect(outside[0]).toMatchObject({ t: '0' });
  });

  it('keeps the sum under many transactions at a time, on fewer backends than connections', async () => {
    const transfer = async (i: number): Promise<void> => {
      const work = app.db.transaction(async (tx) => {
        const [from, to] = [1 + (i % 5), 1 + ((i * 3 + 1) % 5)].sort((a, b) => a - b);
        await tx.query('update account set cents = cents - 1 where id = $1', [from]);
        await tx.query('update account set cents = cents + 1 where id = $1', [to]);
        if (i % 7 === 0) throw new Error('take it back');
      });
      await work.catch((error: Error) => expect(error.message).toBe('take it back'));
    };
    // Each waits for a few others and not for all: how long all take is up to the machine.
    const workers = Array.from({ length: 20 }, async (_, worker) => {
      for (let i = worker; i < 100; i += 20) await transfer(i);
    });
    await Promise.all(workers);
    expect(await app.db.one('select sum(cents)::int as sum from account')).toEqual({ sum: 500 });
  });

  it('has pgPool(), with transactions of its own', async () => {
    const pool = app.pools.pgPool();
    const client = await pool.connect();
    await client.query('begin');
    await client.query('update account set cents = 0');
    await client.query('rollback');
    client.release();
    expect((await pool.query('select sum(cents)::int as sum from account')).rows).toEqual([
      { sum: 500 },
    ]);
  });

  it('has TypeORM', async () => {
    const started = await startLibrary(options({ typeorm: { synchronize: true } }));
    try {
      const { library } = started;
      await library.authors.save({ name: 'Ada', books: [{ title: 'Notes' }] });
      const [author] = await library.authors.find({ relations: { books: true } });
      expect(author).toMatchObject({ name: 'Ada', books: [{ title: 'Notes' }] });
    } finally {
      await started.close();
    }
  });

  it('cancels on the server, and never the next statement', async () => {
    const slow = app.db.query('select pg_sleep(30) /* through */', [], { timeoutMs: 200 });
    await failure(slow, QueryTimeoutError);
    await waitFor(
      async () =>
        (
          await database.sql(
            `select from pg_stat_activity where state = 'active' and query like '%/* through */' and pid <> pg_backend_pid()`,
          )
        ).length === 0,
      { describe: 'the server to stop it', timeoutMs: 900 },
    );
    const outcomes: unknown[] = [];
    let sleepMs = 5;
    for (let round = 0; round < 60; round++) {
      const outcome = await app.db
        .query(`select pg_sleep(${sleepMs / 1_000})`, [], { timeoutMs: 5 })
        .then(() => 'ended', String);
      outcomes.push(outcome);
      // Closes in on the moment at which the request arrives, however late a busy machine sends it.
      sleepMs = Math.max(1, sleepMs + (outcome === 'ended' ? 1 : -1));
      await Promise.all([1, 2, 3].map(() => app.db.query('select pg_sleep(0.003)')));
    }
    const stopped = outcomes.filter((outcome) => outcome !== 'ended');
    expect(stopped.filter((error) => !/^QueryTimeoutError/.test(String(error)))).toEqual([]);
    expect(stopped.length).toBeGreaterThan(10);
    expect(outcomes.length - stopped.length).toBeGreaterThan(10);
  });

  it('leaves the names of statements out, for the next backend does not know them', async () => {
    const ask = (n: number): Promise<unknown> =>
      app.db.one('select $1::int + 1 as n', [n], { name: 'plus one' });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(n)));
    expect(answers).toEqual(Array.from({ length: 60 }, (_, n) => ({ n: n + 1 })));
    expect(await app.db.read('select name from pg_prepared_statements')).toEqual([]);
  });

  it('has no session(), and says what to use instead', async () => {
    const error = await failure(
      app.db.session((on) => on.query('select 1')),
      UsageError,
    );
    expect(error.message).toMatch(/pg_advisory_xact_lock/);
  });

  it('has no listen(), unless it is told where the server is', async () => {
    const nothing = (): void => undefined;
    const error = await failure(app.db.listen('x', nothing), UsageError);
    expect(error.message).toMatch(/listen: \{ url \}/);
    const both = await startDatabaseApp(options({ listen: { url: database.url } }));
    const seen: string[] = [];
    await both.db.listen('x', ({ payload }) => void seen.push(payload));
    await both.db.query(`select pg_notify('x', 'through')`);
    await waitFor(() => seen.length === 1, { describe: 'the notification' });
    await both.close();
  });

  it('refuses startup parameters, which is told at once and with the mend', async () => {
    const url = `${pooler.url(database.url)}?options=-c%20work_mem=7MB`;
    const startedAt = performance.now();
    const error = await failure(startDatabaseApp({ url }), ConnectionError);
    expect(error).toMatchObject({ transient: false, cause: { sqlState: '08P01' } });
    expect(error.message).toMatch(/ignore_startup_parameters/);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe('in session mode', () => {
  it('is told apart, and has sessions, notifications and names', async () => {
    const pooler = await startPgBouncer({ server: database.url, mode: 'session', poolSize: 8 });
    const app = await startDatabaseApp({ url: pooler.url(database.url), pool: { max: 2, min: 0 } });
    try {
      const { db, pools } = app;
      expect(pools.nodes()[0]?.pooling).toBe('session');
      const kept = await db.session(async (on) => {
        await on.query('create temp table mine as select 1 as one');
        return (await on.query('select * from mine')).rows;
      });
      expect(kept).toEqual([{ one: 1 }]);
      const seen: string[] = [];
      await db.listen('x', ({ payload }) => void seen.push(payload));
      await db.query(`select pg_notify('x', 'through')`);
      await waitFor(() => seen.length === 1, { describe: 'the notification' });
      await db.query('select 1 as one', [], { name: 'one' });
      expect(await db.read('select name from pg_prepared_statements')).toEqual([{ name: 'one' }]);
    } finally {
      await app.close();
      await pooler.stop();
    }
  });
});

it('is none where there is none', async () => {
  const app = await startDatabaseApp({ url: database.url, pool: { max: 1, min: 0 } });
  expect(app.pools.nodes()[0]?.pooling).toBe('none');
  await app.close();
});
