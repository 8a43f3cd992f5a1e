// The facade inside db.transaction() and db.session(): other libraries join, and their transactions become savepoints.
import { describe, expect, it } from '@jest/globals';
import { QueryError, QueryTimeoutError, UsageError } from 'nestjs-database';
import type { PgPool, PgPoolClient } from 'nestjs-database';
import Cursor from 'pg-cursor';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('pg_pool_in_transactions');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 4, min: 1 } }));
useLeakCheck({ database, pools: () => app.pools.stats() });

/** What other libraries do: a client, BEGIN, work, COMMIT or ROLLBACK, release. */
async function foreignTransaction<T>(
  pool: PgPool,
  work: (client: PgPoolClient) => Promise<T>,
  begin = 'BEGIN',
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query(begin);
    try {
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    }
  } finally {
    client.release();
  }
}

async function fresh(): Promise<PgPool> {
  await database.sql('drop table if exists item');
  await database.sql('create table item (id int primary key)');
  return app.pools.pgPool();
}

const insert = (asked: PgPool | PgPoolClient, id: number): Promise<unknown> =>
  (asked as PgPool).query('insert into item values ($1)', [id]);

async function stored(): Promise<unknown[]> {
  return (await database.sql<{ id: number }>('select id from item order by id')).map(
    ({ id }) => id,
  );
}

class Unwanted extends Error {}
const giveUp = async (): Promise<never> => {
  throw new Unwanted();
};

describe('inside a transaction', () => {
  it('statements and clients use its connection, and share its fate', async () => {
    const pool = await fresh();
    const work = app.db.transaction(async (tx) => {
      await insert(pool, 1);
      const client = await pool.connect();
      expect(client.processID).toBe(tx.backendPid);
      await insert(client, 2);
      client.release();
      expect((await app.db.query('select id from item order by id')).rows).toEqual([
        { id: 1 },
        { id: 2 },
      ]);
      await giveUp();
    });
    await failure(work, Unwanted);
    expect(await stored()).toEqual([]);
  });

  it('a client given back there is over, and one kept longer than the transaction too', async () => {
    const pool = await fresh();
    let kept: PgPoolClient | undefined;
    await app.db.transaction(async () => {
      const client = await pool.connect();
      client.release();
      await failure(client.query('select 1'), UsageError);
      expect(() => client.release()).toThrow(UsageError);
      kept = await pool.connect();
    });
    await failure(kept?.query('insert into item values (1)') ?? Promise.resolve(), UsageError);
    kept?.release();
    expect(await stored()).toEqual([]);
  });

  it.each([
    'BEGIN',
    'begin;',
    'START TRANSACTION',
    ' /* a */ begin work -- x\n',
    'begin isolation level read committed',
  ])('a transaction begun by %j is a savepoint', async (begin) => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      await insert(pool, 1);
      await failure(
        foreignTransaction(
          pool,
          async (client) => {
            await insert(client, 2);
            await giveUp();
          },
          begin,
        ),
        Unwanted,
      );
      await foreignTransaction(pool, (client) => insert(client, 3), begin);
    });
    expect(await stored()).toEqual([1, 3]);
  });

  it('what a savepoint kept is rolled back with the whole', async () => {
    const pool = await fresh();
    const work = app.db.transaction(async () => {
      await foreignTransaction(pool, (client) => insert(client, 1));
      await giveUp();
    });
    await failure(work, Unwanted);
    expect(await stored()).toEqual([]);
  });

  it('a failed statement costs the savepoint, not the whole', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      await insert(pool, 1);
      await failure(
        foreignTransaction(pool, (client) => insert(client, 1)),
        QueryError,
      );
      await insert(pool, 2);
    });
    expect(await stored()).toEqual([1, 2]);
  });

  it('COMMIT after a failed statement rolls back and says so', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      const client = await pool.connect();
      await client.query('begin');
      await insert(client, 1);
      await failure(client.query('selec'), QueryError);
      expect(await client.query('commit')).toMatchObject({ command: 'ROLLBACK', rowCount: null });
      client.release();
      await insert(pool, 2);
    });
    expect(await stored()).toEqual([2]);
  });

  it('savepoints of the other library nest inside', async () => {
    const pool = await fresh();
    await app.db.transaction(() =>
      foreignTransaction(pool, async (client) => {
        await insert(client, 1);
        await client.query('savepoint sp1');
        await insert(client, 2);
        await client.query('rollback to savepoint sp1');
        await client.query('release savepoint sp1');
        await app.db.transaction(async () => insert(client, 3), { propagation: 'supports' });
      }),
    );
    expect(await stored()).toEqual([1, 3]);
  });

  it('siblings take turns, and outer statements do not share the fate of a savepoint', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      await Promise.allSettled([
        foreignTransaction(pool, async (client) => {
          await insert(client, 1);
          await client.query('select pg_sleep(0.02)');
          await giveUp();
        }),
        insert(pool, 2),
        foreignTransaction(pool, (client) => insert(client, 3)),
        app.db.query('insert into item values (4)'),
      ]);
    });
    expect(await stored()).toEqual([2, 3, 4]);
  });

  it('statements that nobody awaits stay in order', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      const client = await pool.connect();
      void client.query('begin');
      void insert(client, 1);
      void client.query('rollback');
      void client.query('begin');
      void insert(client, 2);
      await client.query('commit');
      client.release();
    });
    expect(await stored()).toEqual([2]);
  });

  it('a client that is released without COMMIT loses its work, and blocks nobody', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      const client = await pool.connect();
      await client.query('begin');
      await insert(client, 1);
      client.release();
      await insert(pool, 2);
    });
    expect(await stored()).toEqual([2]);
  });

  it('a transaction of the other library that nobody awaits fails the whole: it is never half committed', async () => {
    const pool = await fresh();
    let inner: Promise<unknown> = Promise.resolve();
    const work = app.db.transaction(async () => {
      const begun = new Promise<void>((resolve) => {
        inner = foreignTransaction(pool, async (client) => {
          await insert(client, 1);
          resolve();
          await client.query('select pg_sleep(0.05)');
          await insert(client, 2);
        });
      });
      inner.catch(() => undefined);
      await begun;
    });
    const error = await failure(work, UsageError);
    expect(error.message).toContain('Await it inside the callback');
    await failure(inner, UsageError);
    expect(await stored()).toEqual([]);
  });

  it('a statement that waits for the savepoint it is part of ends with the transaction, and says why', async () => {
    const pool = await fresh();
    const work = app.db.transaction(() => foreignTransaction(pool, () => insert(pool, 1)), {
      timeoutMs: 200,
      retries: 0,
    });
    const error = await failure(work, QueryTimeoutError);
    expect(error.timeoutMs).toBeGreaterThan(0);
    expect(await stored()).toEqual([]);
  });

  it('fifty clients at a time share the connection without a warning', async () => {
    const pool = await fresh();
    const warnings: Error[] = [];
    const warned = (warning: Error): number => warnings.push(warning);
    process.on('warning', warned);
    await app.db.transaction(async () => {
      await Promise.all(
        Array.from({ length: 50 }, async (_, id) => {
          const client = await pool.connect();
          client.on('error', () => undefined);
          await insert(client, id);
          client.release();
        }),
      );
    });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warned);
    expect(warnings).toEqual([]);
    expect(await stored()).toHaveLength(50);
  });

  it('a cursor is read, and others wait', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      await pool.query('insert into item select generate_series(1, 5)');
      const client = await pool.connect();
      const cursor = client.query(new Cursor('select id from item order by id'));
      expect(await cursor.read(2)).toEqual([{ id: 1 }, { id: 2 }]);
      const count = pool.query('select count(*)::int as n from item');
      await cursor.close();
      expect((await count).rows).toEqual([{ n: 5 }]);
      client.release();
    });
  });

  it('hooks of code inside a savepoint follow the whole', async () => {
    const pool = await fresh();
    const called: string[] = [];
    await app.db.transaction(async (tx) => {
      tx.afterCommit(() => void called.push('outer'));
      await foreignTransaction(pool, (client) => insert(client, 1));
    });
    expect(called).toEqual(['outer']);
  });
});

describe('what would end the transaction', () => {
  it.each(['COMMIT', 'end', 'ROLLBACK', 'abort', "prepare transaction 'x'"])(
    '%s of a client that did not begin is refused',
    async (text) => {
      const pool = await fresh();
      await app.db.transaction(async () => {
        await insert(pool, 1);
        const client = await pool.connect();
        await failure(client.query(text), UsageError);
        client.release();
        await failure(pool.query(text), UsageError);
      });
      expect(await stored()).toEqual([1]);
    },
  );

  it('COMMIT AND CHAIN is refused', async () => {
    const pool = await fresh();
    const work = app.db.transaction(() =>
      foreignTransaction(pool, (client) => client.query('commit and chain')),
    );
    await failure(work, UsageError);
  });

  it('COMMIT hidden in a longer text is found out: nothing runs in autocommit unnoticed', async () => {
    const pool = await fresh();
    const work = app.db.transaction(async () => {
      await insert(pool, 1);
      await failure(pool.query('insert into item values (2); commit'), UsageError);
    });
    const error = await failure(work, UsageError);
    expect(error.message).toContain('ended the transaction');
  });
});

describe('modes of a transaction inside another one', () => {
  it('the same isolation or a weaker one is what it gets, a stronger one is refused', async () => {
    const pool = await fresh();
    const begin = (level: string): Promise<unknown> =>
      foreignTransaction(
        pool,
        (client) => insert(client, Math.floor(Math.random() * 1e9)),
        `begin isolation level ${level}`,
      );
    await app.db.transaction(
      async () => {
        await begin('read uncommitted');
        await begin('repeatable read');
        const error = await failure(begin('serializable'), UsageError);
        expect(error.message).toContain("isolation: 'serializable'");
      },
      { isolation: 'repeatable read' },
    );
    expect(await stored()).toHaveLength(2);
  });

  it('SET TRANSACTION is held to the same', async () => {
    const pool = await fresh();
    await app.db.transaction(() =>
      foreignTransaction(pool, async (client) => {
        await client.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
        await failure(client.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE'), UsageError);
        await insert(client, 1);
      }),
    );
    expect(await stored()).toEqual([1]);
  });

  it('READ ONLY holds for the savepoint alone', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      const reading = foreignTransaction(pool, (client) => insert(client, 1), 'begin read only');
      expect(await failure(reading, QueryError)).toMatchObject({ code: '25006' });
      await insert(pool, 2);
    });
    expect(await stored()).toEqual([2]);
  });

  it('DEFERRABLE is refused', async () => {
    const pool = await fresh();
    await app.db.transaction(async () => {
      await failure(foreignTransaction(pool, giveUp, 'begin deferrable'), UsageError);
      await failure(foreignTransaction(pool, giveUp, 'begin not deferrable'), Unwanted);
    });
  });
});

describe('inside a session', () => {
  it('clients use its connection, and their transactions are real', async () => {
    const pool = await fresh();
    await app.db.session(async (session) => {
      await foreignTransaction(pool, async (client) => {
        expect(client.processID).toBe(session.backendPid);
        await insert(client, 1);
      });
      expect(await stored()).toEqual([1]);
    });
  });
});

describe('a client of a session, used in a transaction inside it', () => {
  it('is part of that transaction', async () => {
    const pool = await fresh();
    await app.db.session(async () => {
      const client = await pool.connect();
      const work = app.db.transaction(async () => {
        await client.query('begin');
        await insert(client, 1);
        await client.query('commit');
        await giveUp();
      });
      await failure(work, Unwanted);
      await insert(client, 2);
      client.release();
    });
    expect(await stored()).toEqual([2]);
  });
});

describe('a serialization failure under another library', () => {
  it('runs the whole transaction again', async () => {
    const pool = await fresh();
    await database.sql('insert into item values (1)');
    let attempts = 0;
    await app.db.transaction(
      async () => {
        attempts++;
        await pool.query('select * from item');
        if (attempts === 1) await database.sql('update item set id = 2');
        await pool.query('update item set id = 3').catch((cause: unknown) => {
          // As other libraries do.
          throw Object.assign(new Error('query failed', { cause }), { query: '' });
        });
      },
      { isolation: 'repeatable read' },
    );
    expect(attempts).toBe(2);
    expect(await stored()).toEqual([3]);
  });
});
