// Drizzle on our pool.
import { beforeEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DrizzleQueryError, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { date, pgTable, serial, text, timestamp } from 'drizzle-orm/pg-core';
import { findDatabaseError, UniqueViolationError } from 'nestjs-database';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const person = pgTable('person', {
  id: serial().primaryKey(),
  name: text().unique(),
  born: date(),
  seen: timestamp({ withTimezone: true }),
});

const database = useTestDatabase('drizzle');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 5, min: 1 } }));
// As in Drizzle's documentation, without a cast.
const open = () => drizzle({ client: app.pools.pgPool(), schema: { person } });
let db: ReturnType<typeof open>;

beforeAll(async () => {
  await database.sql(
    'create table person (id serial primary key, name text unique, born date, seen timestamptz)',
  );
  db = open();
});
beforeEach(async () => {
  await database.sql('truncate person restart identity');
});
useLeakCheck({ database, pools: () => app.pools.stats() });

const names = async (): Promise<string[]> =>
  (await database.sql<{ name: string }>('select name from person order by id')).map(
    ({ name }) => name,
  );

class Unwanted extends Error {}

it('selects, inserts, updates and deletes, with its own parsers of values', async () => {
  const seen = new Date('2024-05-06T07:08:09.123Z');
  const inserted = await db
    .insert(person)
    .values({ name: 'Ada', born: '1815-12-10', seen })
    .returning();
  expect(inserted).toEqual([{ id: 1, name: 'Ada', born: '1815-12-10', seen }]);
  await db.insert(person).values([{ name: 'Bob' }, { name: 'Cleo' }]);
  await db.update(person).set({ name: 'Bert' }).where(eq(person.name, 'Bob'));
  const deleted = await db.delete(person).where(eq(person.name, 'Cleo'));
  expect(deleted.rowCount).toBe(1);
  expect(await db.query.person.findMany({ columns: { name: true }, orderBy: person.id })).toEqual([
    { name: 'Ada' },
    { name: 'Bert' },
  ]);
});

it('gives raw results as `pg` does', async () => {
  const result = await db.execute(sql`select 1 as n, '2024-01-02'::date as day`);
  expect(result).toMatchObject({
    rowCount: 1,
    command: 'SELECT',
    rows: [{ n: 1, day: '2024-01-02' }],
  });
});

it('runs prepared statements', async () => {
  const byName = db
    .select()
    .from(person)
    .where(eq(person.name, sql.placeholder('name')))
    .prepare('by_name');
  await db.insert(person).values({ name: 'Ada' });
  const found = await Promise.all(['Ada', 'Bob', 'Ada'].map((name) => byName.execute({ name })));
  expect(found.map((rows) => rows.length)).toEqual([1, 0, 1]);
});

it('wraps the errors of PostgreSQL, of our classes', async () => {
  await db.insert(person).values({ name: 'Ada' });
  const error = await failure(
    db.insert(person).values({ name: 'Ada' }).execute(),
    DrizzleQueryError,
  );
  expect(error.cause).toMatchObject({ code: '23505', constraint: 'person_name_key' });
  expect(findDatabaseError(error)).toBeInstanceOf(UniqueViolationError);
});

describe('a transaction', () => {
  it('commits, and rolls back', async () => {
    await db.transaction(async (tx) => {
      await tx.insert(person).values({ name: 'Ada' });
    });
    const work = db.transaction(
      async (tx) => {
        await tx.insert(person).values({ name: 'Bob' });
        throw new Unwanted();
      },
      { isolationLevel: 'serializable', accessMode: 'read write' },
    );
    await failure(work, Unwanted);
    expect(await names()).toEqual(['Ada']);
  });

  it('nests', async () => {
    await db.transaction(async (tx) => {
      await tx.insert(person).values({ name: 'Ada' });
      const nested = tx.transaction(async (inner) => {
        await inner.insert(person).values({ name: 'Bob' });
        throw new Unwanted();
      });
      await failure(nested, Unwanted);
      await tx.transaction(async (inner) => {
        await inner.insert(person).values({ name: 'Cleo' });
      });
    });
    expect(await names()).toEqual(['Ada', 'Cleo']);
  });

  it('inside db.transaction() is part of it, nested ones too', async () => {
    const work = app.db.transaction(async () => {
      await db.insert(person).values({ name: 'Ada' });
      const nested = db.transaction(async (tx) => {
        await tx.insert(person).values({ name: 'Bob' });
        await tx.transaction(async (inner) => {
          await inner.insert(person).values({ name: 'Cleo' });
        });
        tx.rollback();
      });
      await expect(nested).rejects.toThrow('Rollback');
      await db.transaction(async (tx) => {
        await tx.insert(person).values({ name: 'Dan' });
      });
      expect((await app.db.query('select name from person order by id')).rows).toEqual([
        { name: 'Ada' },
        { name: 'Dan' },
      ]);
      throw new Unwanted();
    });
    await failure(work, Unwanted);
    expect(await names()).toEqual([]);
  });
});
