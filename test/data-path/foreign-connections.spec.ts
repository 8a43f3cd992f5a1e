// Code inside a transaction that uses a connection from outside of it: told, or refused.
import { afterEach, describe, expect, it } from '@jest/globals';
import { UsageError } from 'nestjs-database';
import type { DatabaseModuleOptions, Session } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

type Policy = NonNullable<NonNullable<DatabaseModuleOptions['transaction']>['foreignConnections']>;

const database = useTestDatabase('foreign_connections');
let app: DatabaseApp;
afterEach(() => app.close());
useLeakCheck({ database });

async function start(foreignConnections?: Policy) {
  app = await startDatabaseApp({
    url: database.url,
    pool: { max: 4, min: 0 },
    telemetry: { log: false },
    transaction: foreignConnections === undefined ? {} : { foreignConnections },
  });
  return {
    db: app.db,
    pool: app.pools.pgPool(),
    told: app.record('transaction:foreign-connection'),
  };
}

describe('inside a transaction', () => {
  it('a client that was taken outside is told', async () => {
    const { db, pool, told } = await start();
    const client = await pool.connect();
    const { rows } = await db.transaction(() => client.query("select 'x' as x"));
    client.release();
    expect(rows).toEqual([{ x: 'x' }]);
    expect(told).toEqual([{ node: 'primary', text: "select 'x' as x" }]);
  });

  it('its own connection is not: of handles, services, clients and savepoints', async () => {
    const { db, pool, told } = await start();
    await db.transaction(async (tx) => {
      await tx.query('select 1');
      await db.query('select 1');
      await pool.query('select 1');
      const client = await pool.connect();
      await client.query('select 1');
      client.release();
      await db.transaction(() => tx.query('select 1'), { propagation: 'nested' });
    });
    expect(told).toEqual([]);
  });

  it('an outer transaction, from an inner one of its own, is refused when the policy says so', async () => {
    const { db, told } = await start('refuse');
    const work = db.transaction((outer) =>
      db.transaction(() => outer.query('select 1'), { propagation: 'requires-new' }),
    );
    const error = await failure(work, UsageError);
    expect(error.message).toContain('foreignConnections');
    expect(told).toHaveLength(1);
  });

  it('a client or session from outside is refused with nothing sent', async () => {
    const { db, pool } = await start('refuse');
    const client = await pool.connect();
    const viaClient = await failure(
      db.transaction(() => client.query('create table stray ()')),
      Error,
    );
    client.release();
    expect(viaClient.cause ?? viaClient).toBeInstanceOf(UsageError);
    await db.session(async (session: Session) => {
      await failure(
        db.transaction(() => session.query('create table stray ()'), {
          propagation: 'requires-new',
        }),
        UsageError,
      );
    });
    expect(await database.sql("select from pg_class where relname = 'stray'")).toEqual([]);
  });

  it('anything goes when the policy is to allow', async () => {
    const { db, pool, told } = await start('allow');
    const client = await pool.connect();
    await db.transaction(() => client.query('select 1'));
    client.release();
    expect(told).toEqual([]);
  });
});
