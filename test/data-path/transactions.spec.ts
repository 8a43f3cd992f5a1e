// Transactions by async context: what is committed, what is rolled back, what runs again.
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  UniqueViolationError,
  UsageError,
} from 'nestjs-database';
import type { Transaction } from 'nestjs-database';
import { startDatabaseApp, useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('transactions');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 5, min: 1 } }));
useLeakCheck({ database, pools: () => app.pools.stats() });

beforeAll(async () => {
  await database.sql('create table entry (id int primary key)');
  await database.sql('create table account (id int primary key, cents int not null)');
});

beforeEach(async () => {
  await database.sql('truncate entry, account');
  await database.sql('insert into account values (1, 100), (2, 100)');
});

const insert = (id: number): Promise<unknown> =>
  app.db.query('insert into entry values ($1)', [id]);
const ids = async (): Promise<number[]> => {
  const rows = await database.sql<{ id: number }>('select id from entry order by id');
  return rows.map(({ id }) => id);
};
const boom = new Error('boom');

describe('a transaction', () => {
  it('commits what was run anywhere inside its callback', async () => {
    const result = await app.db.transaction(async () => {
      await insert(1);
      expect(await ids()).toEqual([]);
      await insert(2);
      return 'done';
    });
    expect(result).toBe('done');
    expect(await ids()).toEqual([1, 2]);
  });

  it('rolls back when the callback fails, and throws that very error', async () => {
    const failing = app.db.transaction(async () => {
      await insert(1);
      throw boom;
    });
    await expect(failing).rejects.toBe(boom);
    expect(await ids()).toEqual([]);
  });

  it('does not commit after a failed statement whose error was swallowed', async () => {
    const failing = app.db.transaction(async () => {
      await insert(1);
      await insert(1).catch(() => undefined);
    });
    await failure(failing, UniqueViolationError);
    expect(await ids()).toEqual([]);
  });

  it('explains the statements after a failed one by the first error', async () => {
    const failing = app.db.transaction(async () => {
      await insert(1);
      await insert(1).catch(() => undefined);
      await insert(2);
    });
    const error = await failure(failing, QueryError);
    expect(error.sqlState).toBe('25P02');
    expect(error.cause).toBeInstanceOf(UniqueViolationError);
  });

  it('takes isolation, read-only mode and its own time limit to the server', async () => {
    const shown = await app.db.transaction(
      async (tx) => {
        const { rows } = await tx.query(
          `select current_setting('transaction_isolation') as isolation,
                  current_setting('transaction_read_only') as readonly,
                  current_setting('statement_timeout') as timeout`,
        );
        return rows[0];
      },
      { isolation: 'serializable', readOnly: true, deferrable: true, timeoutMs: 4_000 },
    );
    expect(shown).toEqual({ isolation: 'serializable', readonly: 'on', timeout: '4100ms' });
  });

  it('leaves nothing of its limits to the next user of the connection', async () => {
    await app.db.transaction(async () => undefined, { timeoutMs: 1_234 });
    expect(await app.db.one('show statement_timeout')).toEqual({ statement_timeout: '0' });
  });

  it('settles when its callback never ends, and rolls back', async () => {
    const hanging = app.db.transaction(
      async () => {
        await insert(1);
        await new Promise(() => undefined);
      },
      { timeoutMs: 200 },
    );
    await failure(hanging, QueryTimeoutError);
    expect(await ids()).toEqual([]);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, {
      describe: 'the connection to return',
    });
  });

  it('keeps statements of other flows out', async () => {
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const inside = app.db.transaction(async () => {
      await insert(1);
      await gate;
      throw boom;
    });
    await insert(2);
    goOn();
    await expect(inside).rejects.toBe(boom);
    expect(await ids()).toEqual([2]);
  });
});

describe('code that outlives its transaction', () => {
  it('gets a UsageError instead of running in autocommit', async () => {
    let late: Promise<unknown> | undefined;
    let start: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (start = resolve));
    await app.db.transaction(async () => {
      late = started.then(() => insert(9));
    });
    start();
    const error = await failure(late as Promise<unknown>, UsageError);
    expect(error.message).toMatch(/afterCommit/);
    expect(await ids()).toEqual([]);
  });

  it('cannot begin a nested transaction either', async () => {
    let kept: (() => Promise<unknown>) | undefined;
    await app.db.transaction(async () => {
      const { AsyncResource } = await import('node:async_hooks');
      kept = AsyncResource.bind(() =>
        app.db.transaction(async () => insert(9), { propagation: 'nested' }),
      );
    });
    await failure((kept as () => Promise<unknown>)(), UsageError);
  });

  it('cannot use the handle of the ended transaction', async () => {
    let handle: Transaction | undefined;
    await app.db.transaction(async (tx) => void (handle = tx));
    await failure((handle as Transaction).query('select 1'), UsageError);
  });

  it('as a sibling of a failed statement never writes after the rollback', async () => {
    const failing = app.db.transaction(() =>
      Promise.all([insert(1), insert(1), insert(2), insert(3)]),
    );
    await failure(failing, UniqueViolationError);
    expect(await ids()).toEqual([]);
  });
});

describe('propagation', () => {
  it('required joins: one fate', async () => {
    const failing = app.db.transaction(async () => {
      await insert(1);
      await app.db
        .transaction(async () => {
          await insert(2);
          throw boom;
        })
        .catch(() => undefined);
    });
    await expect(failing).rejects.toBe(boom);
    expect(await ids()).toEqual([]);
  });

  it('nested is a savepoint: the outer one goes on', async () => {
    await app.db.transaction(async () => {
      await insert(1);
      await app.db
        .transaction(
          async () => {
            await insert(2);
            await insert(2);
          },
          { propagation: 'nested' },
        )
        .catch(() => undefined);
      await insert(3);
    });
    expect(await ids()).toEqual([1, 3]);
  });

  it('nested siblings run one after the other, and outer statements do not share their fate', async () => {
    await app.db.transaction(async () => {
      const nested = (id: number, fails: boolean): Promise<unknown> =>
        app.db
          .transaction(
            async () => {
              await insert(id);
              if (fails) throw boom;
            },
            { propagation: 'nested' },
          )
          .catch(() => undefined);
      await Promise.all([nested(1, true), nested(2, false), insert(3), nested(4, true)]);
    });
    expect(await ids()).toEqual([2, 3]);
  });

  it('nested savepoints nest', async () => {
    const nested = <T>(work: () => Promise<T>): Promise<T> =>
      app.db.transaction(work, { propagation: 'nested' });
    await app.db.transaction(async () => {
      await nested(async () => {
        await insert(1);
        await nested(async () => {
          await insert(2);
          throw boom;
        }).catch(() => undefined);
        await nested(() => insert(3));
      });
    });
    expect(await ids()).toEqual([1, 3]);
  });

  it('requires-new has a fate of its own', async () => {
    const failing = app.db.transaction(async () => {
      await insert(1);
      await app.db.transaction(() => insert(2), { propagation: 'requires-new' });
      throw boom;
    });
    await expect(failing).rejects.toBe(boom);
    expect(await ids()).toEqual([2]);
  });

  it('not-supported and supports run without a transaction where there is none', async () => {
    const failing = app.db.transaction(async () => {
      await app.db
        .transaction(
          async () => {
            await insert(1);
            throw boom;
          },
          { propagation: 'not-supported' },
        )
        .catch(() => undefined);
      throw boom;
    });
    await expect(failing).rejects.toBe(boom);
    await app.db.transaction(() => insert(2), { propagation: 'supports' });
    expect(await ids()).toEqual([1, 2]);
  });

  it('mandatory and never say what they miss', async () => {
    await failure(
      app.db.transaction(() => insert(1), { propagation: 'mandatory' }),
      UsageError,
    );
    const failing = app.db.transaction(() =>
      app.db.transaction(() => insert(1), { propagation: 'never' }),
    );
    await failure(failing, UsageError);
    expect(await ids()).toEqual([]);
  });
});

describe('hooks', () => {
  it('run after the commit, outside of the transaction, in order', async () => {
    const seen: unknown[] = [];
    await app.db.transaction(async (tx) => {
      tx.afterCommit(async () => void seen.push(await ids()));
      tx.afterCommit(() => void seen.push('second'));
      tx.afterRollback(() => void seen.push('never'));
      await insert(1);
    });
    expect(seen).toEqual([[1], 'second']);
  });

  it('of a savepoint wait for the whole, or follow its rollback', async () => {
    const seen: string[] = [];
    await app.db.transaction(async () => {
      const nested = (name: string, fails: boolean): Promise<unknown> =>
        app.db
          .transaction(
            async (tx) => {
              tx.afterCommit(() => void seen.push(`${name} committed`));
              tx.afterRollback(() => void seen.push(`${name} rolled back`));
              if (fails) throw boom;
            },
            { propagation: 'nested' },
          )
          .catch(() => undefined);
      await nested('a', false);
      await nested('b', true);
      expect(seen).toEqual(['b rolled back']);
    });
    expect(seen).toEqual(['b rolled back', 'a committed']);
  });

  it('that fail change nothing of the outcome', async () => {
    await app.db.transaction(async (tx) => {
      tx.afterCommit(() => {
        throw boom;
      });
      await insert(1);
    });
    expect(await ids()).toEqual([1]);
  });
});

describe('hooks and connections', () => {
  it('run when the connection is back: one connection is enough for a hook that queries', async () => {
    const small = await startDatabaseApp({
      url: database.url,
      pool: { max: 1, acquireTimeoutMs: 1_000 },
    });
    const seen: unknown[] = [];
    await small.db.transaction(async (tx) => {
      tx.afterCommit(async () => void seen.push(await small.db.one('select 1 as one')));
      await tx.query('select 1');
    });
    expect(seen).toEqual([{ one: 1 }]);
    await small.close();
  });

  it('an abort cancels the statement under way and rolls back', async () => {
    const controller = new AbortController();
    const aborting = failure(
      app.db.transaction(
        async (tx) => {
          await insert(1);
          await tx.query('select pg_sleep(20)');
        },
        { signal: controller.signal },
      ),
      QueryAbortedError,
    );
    await waitFor(() => app.pools.stats()[0]?.leased === 1, { describe: 'the transaction to run' });
    const startedAtMs = performance.now();
    controller.abort();
    await aborting;
    await waitFor(() => app.pools.stats()[0]?.leased === 0, {
      describe: 'the connection to return',
    });
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    expect(await ids()).toEqual([]);
  });
});

describe('running again', () => {
  it('happens to the whole transaction after a serialization failure', async () => {
    let runs = 0;
    const add = (): Promise<unknown> =>
      app.db.transaction(
        async (tx) => {
          runs++;
          const { rows } = await tx.query<{ sum: string }>('select sum(cents) from account');
          await tx.query('update account set cents = $1 where id = 1', [Number(rows[0]?.sum) + 1]);
        },
        { isolation: 'serializable', retries: 20 },
      );
    await Promise.all([add(), add(), add(), add()]);
    expect(runs).toBeGreaterThan(4);
    // 100+100=200+1 -> 201; 201+100+1 -> 302; 403; 504: what four runs in a row give.
    const [row] = await database.sql<{ cents: number }>('select cents from account where id = 1');
    expect(row?.cents).toBe(504);
  });

  it('happens after a deadlock', async () => {
    const transfer = (from: number, to: number): Promise<unknown> =>
      app.db.transaction(async (tx) => {
        await tx.query('update account set cents = cents - 1 where id = $1', [from]);
        await tx.query('select pg_sleep(0.05)');
        await tx.query('update account set cents = cents + 1 where id = $1', [to]);
      });
    await Promise.all([transfer(1, 2), transfer(2, 1)]);
    expect(await database.sql('select cents from account order by id')).toEqual([
      { cents: 100 },
      { cents: 100 },
    ]);
  });

  it('happens when the connection is lost before COMMIT was sent', async () => {
    let runs = 0;
    await app.db.transaction(async (tx) => {
      runs++;
      await insert(runs);
      if (runs > 1) return;
      const { backendPid } = tx;
      await database.sql('select pg_terminate_backend($1)', [backendPid]);
      await insert(10);
    });
    expect(runs).toBe(2);
    expect(await ids()).toEqual([2]);
  });

  it('does not happen with retries: 0', async () => {
    const failing = app.db.transaction(
      async (tx) => {
        await database.sql('select pg_terminate_backend($1)', [tx.backendPid]);
        await insert(1);
      },
      { retries: 0 },
    );
    await failure(failing, ConnectionError);
  });
});

describe('a session', () => {
  it('is one connection, whose state is gone afterwards', async () => {
    const pid = await app.db.session(async (session) => {
      await session.query('create temp table scratch (n int)');
      await session.query(`set search_path = pg_temp`);
      await session.query('select pg_advisory_lock(42)');
      await app.db.query('insert into scratch values (1)');
      const { rows } = await session.query('select n from scratch');
      expect(rows).toEqual([{ n: 1 }]);
      return session.backendPid;
    });
    await waitFor(() => app.pools.stats()[0]?.leased === 0, {
      describe: 'the connection to return',
    });
    const rows = await app.db.read(
      `select pg_backend_pid() as pid, current_setting('search_path') as path, to_regclass('scratch') as scratch,
              (select count(*)::int from pg_locks where locktype = 'advisory' and pid = $1) as locks`,
      [pid],
    );
    expect(rows).toEqual([{ pid, path: '"$user", public', scratch: null, locks: 0 }]);
  });

  it('runs its transactions one after the other', async () => {
    await app.db.session(async () => {
      const boom = new Error('boom');
      const [first, second] = await Promise.allSettled([
        app.db.transaction(async () => {
          await insert(1);
          throw boom;
        }),
        app.db.transaction(() => insert(2)),
      ]);
      expect(first).toMatchObject({ status: 'rejected', reason: boom });
      expect(second).toMatchObject({ status: 'fulfilled' });
    });
    expect(await ids()).toEqual([2]);
  });

  it('can hold a transaction', async () => {
    await app.db.session(async (session) => {
      await app.db.transaction(async (tx) => {
        expect(tx.backendPid).toBe(session.backendPid);
        await insert(1);
      });
      await session.query('insert into entry values (2)');
    });
    expect(await ids()).toEqual([1, 2]);
  });
});
