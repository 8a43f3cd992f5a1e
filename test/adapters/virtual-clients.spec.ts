// Clients of the facade without a connection of their own: what they hold, and what their session keeps.
import { once } from 'node:events';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryTimeoutError, UsageError } from 'nestjs-database';
import type { DatabaseModuleOptions, PgPool, PgPoolClient } from 'nestjs-database';
import Cursor from 'pg-cursor';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('virtual_clients');
let app: DatabaseApp;
let pool: PgPool;

beforeAll(() => database.sql('create table item (id serial primary key, name text)'));
afterEach(async () => {
  await app.close();
  await database.sql('truncate item');
});
useLeakCheck({ database });

async function start(options: DatabaseModuleOptions['pool'] = {}): Promise<void> {
  app = await startDatabaseApp({ url: database.url, pool: { max: 3, min: 3, ...options } });
  pool = app.pools.pgPool();
}

const leased = (): number | undefined => app.pools.stats()[0]?.leased;
/** Moves the connection that was used last away from the next one who asks. */
async function whileOthersWork<T>(check: () => Promise<T>): Promise<T> {
  const other = await pool.connect();
  await other.query('select pg_backend_pid()');
  try {
    return await check();
  } finally {
    other.release();
  }
}
async function onClient<T>(work: (client: PgPoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}
const INSERT = "insert into item (name) values ('a')";

describe('a client holds no connection', () => {
  it('before its first statement, nor after those that leave nothing in a session', async () => {
    await start();
    const clients = await Promise.all(Array.from({ length: 100 }, () => pool.connect()));
    expect(leased()).toBe(0);
    for (const client of clients.slice(0, 5)) {
      await client.query('select * from item');
      await client.query(INSERT);
      await client.query("update item set name = 'b'");
      expect(leased()).toBe(0);
    }
    for (const client of clients) client.release();
    expect((await pool.query('select count(*)::int as n from item')).rows).toEqual([{ n: 5 }]);
  });

  it.each(['commit', 'rollback'])('after %s', async (end) => {
    await start();
    await onClient(async (client) => {
      for (const text of ['begin', INSERT, 'savepoint a', INSERT, 'rollback to savepoint a']) {
        await client.query(text);
        expect(leased()).toBe(1);
        expect(client.getTransactionStatus()).toBe('T');
      }
      await client.query(end);
      expect(leased()).toBe(0);
      expect(client.getTransactionStatus()).toBe('I');
    });
    expect(await database.sql('select name from item')).toHaveLength(end === 'commit' ? 1 : 0);
  });

  it('unless virtual clients are turned off, or somebody listens to the pool', async () => {
    await start({ virtualClients: false });
    await onClient(async () => expect(leased()).toBe(1));
    await app.close();
    await start();
    const acquired: unknown[] = [];
    pool.on('acquire', (client) => acquired.push(client));
    await onClient(async (client) => {
      expect(acquired).toEqual([client]);
      expect(leased()).toBe(1);
    });
  });
});

describe('a session', () => {
  it.each([
    ['a setting', "set work_mem = '5MB'", 'show work_mem', { work_mem: '5MB' }],
    ['a temporary table', 'create temp table t as select 1 as n', 'select n from t', { n: 1 }],
    ['a prepared statement', 'prepare p as select 1 as n', 'execute p', { n: 1 }],
  ])('keeps %s', async (_, text, question, row) => {
    await start();
    await onClient(async (client) => {
      await client.query('select 1');
      await client.query(text);
      const { rows } = await whileOthersWork(() => client.query(question));
      expect(rows).toEqual([row]);
      expect(leased()).toBe(1);
      if (text.startsWith('set')) await client.query('reset work_mem');
      if (text.startsWith('prepare')) await client.query('deallocate p');
      if (text.startsWith('create')) await client.query('drop table t');
    });
    expect(leased()).toBe(0);
  });

  it('keeps a setting that was made in a transaction, and its advisory lock', async () => {
    await start();
    await onClient(async (client) => {
      await client.query('begin');
      await client.query('select pg_advisory_lock(7)');
      await client.query('commit');
      await whileOthersWork(async () => {
        const free = await pool.query('select pg_try_advisory_lock(7) as free');
        expect(free.rows).toEqual([{ free: false }]);
      });
      const { rows } = await client.query('select pg_advisory_unlock(7) as held');
      expect(rows).toEqual([{ held: true }]);
    });
  });

  it('hears notifications from LISTEN on', async () => {
    await start();
    await onClient(async (client) => {
      const heard = once(client, 'notification');
      await client.query('listen news');
      await database.sql("select pg_notify('news', 'today')");
      expect((await heard)[0]).toMatchObject({ channel: 'news', payload: 'today' });
      await client.query('unlisten news');
    });
  });

  it('hears the notices of what would not need a connection of its own', async () => {
    await start();
    await onClient(async (client) => {
      const heard: string[] = [];
      client.on('notice', ({ message }: { message: string }) => heard.push(message));
      await client.query('rollback');
      await client.query('select 1');
      expect(heard).toEqual(['there is no transaction in progress']);
      expect(leased()).toBe(1);
    });
  });

  it('has cursors, in their turn', async () => {
    await start();
    await onClient(async (client) => {
      const slow = client.query('select pg_sleep(0.05)');
      const cursor = client.query(new Cursor('select n from generate_series(1, 5) n'));
      expect(await cursor.read(2)).toEqual([{ n: 1 }, { n: 2 }]);
      await slow;
      await cursor.close();
      expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    });
  });

  it('has one backend from the first question for it on', async () => {
    await start();
    await onClient(async (client) => {
      expect(client.processID).toBeNull();
      await client.query('select 1');
      const pid = client.processID;
      const { rows } = await whileOthersWork(() => client.query('select pg_backend_pid() as pid'));
      expect(rows).toEqual([{ pid }]);
      expect(pid).not.toBeNull();
    });
  });

  it('that is lost is not replaced in silence', async () => {
    await start();
    await onClient(async (client) => {
      const lost = once(client, 'error');
      await client.query('begin');
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      await database.sql('select pg_terminate_backend($1)', [rows[0]?.pid]);
      expect((await lost)[0]).toBeInstanceOf(ConnectionError);
      await expect(client.query(INSERT)).rejects.toThrow();
      await expect(client.query('select 1')).rejects.toThrow();
    });
  });

  it('refuses currval() of a write that ran elsewhere, and answers it in one transaction', async () => {
    await start();
    await onClient(async (client) => {
      await client.query(INSERT);
      await failure(client.query('select lastval()'), UsageError);
      await client.query('begin');
      await failure(client.query("select currval('item_id_seq')"), UsageError);
      const { rows } = await client.query<{ id: number }>(`${INSERT} returning id`);
      const last = await client.query<{ id: number }>('select lastval()::int as id');
      expect(last.rows).toEqual(rows);
      await client.query('commit');
    });
  });
});

describe('statements of one client', () => {
  it('run one after the other, on whichever connection', async () => {
    await start();
    await onClient(async (client) => {
      const answers = await Promise.all([
        client.query(
          `with slow as materialized (select pg_sleep(0.05)) ${INSERT.replace('values', 'select name from (values')}) v (name), slow`,
        ),
        client.query('select count(*)::int as n from item'),
        client.query('begin'),
        client.query(INSERT),
        client.query('select count(*)::int as n from item'),
        client.query('rollback'),
        client.query('select count(*)::int as n from item'),
      ]);
      const counts = answers.flatMap(({ rows }) => rows.map((row) => row['n']));
      expect(counts).toEqual([1, 2, 1]);
      expect(leased()).toBe(0);
    });
  });

  it('have their time from when they were given', async () => {
    await start();
    await onClient(async (client) => {
      const slow = client.query('select pg_sleep(0.2)');
      const config = { text: INSERT, query_timeout: 50 };
      const error = await failure(client.query(config), QueryTimeoutError);
      expect(error.safeToRetry).toBe(true);
      await slow;
    });
    expect(await database.sql('select from item')).toEqual([]);
  });

  it('end by thousands that never reach the server, without overflowing the stack', async () => {
    await start();
    await onClient(async (client) => {
      const texts = Array.from({ length: 20_000 }, (_, n) => (n % 2 === 0 ? 'begin' : 'commit'));
      const slow = client.query('select pg_sleep(0.05)');
      const answers = await Promise.all(texts.map((text) => client.query(text)));
      await slow;
      expect(answers.at(-1)?.command).toBe('COMMIT');
      expect(leased()).toBe(0);
    });
  });

  it('fail with a stack that leads to who sent them', async () => {
    await start();
    await onClient(async (client) => {
      const sendTypo = async (): Promise<void> => {
        await client.query('selec');
      };
      const error = await sendTypo().catch((reason: unknown) => reason);
      expect((error as Error).stack).toContain('sendTypo');
    });
  });

  it('that wait are refused at the release', async () => {
    await start();
    const client = await pool.connect();
    const running = client.query('select pg_sleep(0.05)');
    const waiting = failure(client.query(INSERT), UsageError);
    client.release();
    await running;
    expect((await waiting).message).toMatch(/released while statements waited/);
    expect(await database.sql('select from item')).toEqual([]);
  });

  it('that were promised a connection give it back when their client has left', async () => {
    await start({ max: 1, min: 1 });
    const holder = await pool.connect();
    await holder.query('begin');
    const client = await pool.connect();
    const waiting = failure(client.query('begin'), UsageError);
    await waitFor(() => pool.waitingCount === 1, { describe: 'it to wait' });
    client.release();
    holder.release();
    await waiting;
    await waitFor(() => leased() === 0, { describe: 'the connection to return' });
  });

  it('inside db.transaction() are told as foreign, with a connection or without', async () => {
    await start();
    const seen = app.record('transaction:foreign-connection');
    await onClient(async (client) => {
      await app.db.transaction(async () => {
        await app.db.query(INSERT);
        const { rows } = await client.query('select count(*)::int as n from item');
        expect(rows).toEqual([{ n: 0 }]);
      });
    });
    expect(seen).toEqual([{ node: 'primary', text: 'select count(*)::int as n from item' }]);
  });
});
