// Kysely on our pool.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Kysely, PostgresDialect, sql } from 'kysely';
import type { Generated } from 'kysely';
import { UniqueViolationError } from 'nestjs-database';
import Cursor from 'pg-cursor';
import { useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

interface Tables {
  person: { id: Generated<number>; name: string; born: Date | null };
}

const database = useTestDatabase('kysely');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 5, min: 1 } }));
let kysely: Kysely<Tables>;

beforeAll(async () => {
  await database.sql('create table person (id serial primary key, name text unique, born date)');
  // As in Kysely's documentation, without a cast.
  kysely = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: app.pools.pgPool(), cursor: Cursor }),
  });
});
beforeEach(async () => {
  await database.sql('truncate person restart identity');
});
afterAll(() => kysely.destroy());
useLeakCheck({ database, pools: () => app.pools.stats() });

const add = (db: Pick<Kysely<Tables>, 'insertInto'>, name: string) =>
  db.insertInto('person').values({ name, born: null }).returning('id').executeTakeFirstOrThrow();
const names = async (): Promise<string[]> =>
  (await database.sql<{ name: string }>('select name from person order by id')).map(
    ({ name }) => name,
  );

class Unwanted extends Error {}

it('selects, inserts, updates and deletes', async () => {
  expect(await add(kysely, 'Ada')).toEqual({ id: 1 });
  await add(kysely, 'Bob');
  const updated = await kysely
    .updateTable('person')
    .set({ name: 'Bert' })
    .where('id', '=', 2)
    .executeTakeFirst();
  expect(updated.numUpdatedRows).toBe(1n);
  await kysely.deleteFrom('person').where('id', '=', 1).execute();
  expect(await kysely.selectFrom('person').selectAll().execute()).toEqual([
    { id: 2, name: 'Bert', born: null },
  ]);
});

it('gets the errors of PostgreSQL, of our classes', async () => {
  await add(kysely, 'Ada');
  const error = await failure(add(kysely, 'Ada'), UniqueViolationError);
  expect(error).toMatchObject({ code: '23505', constraint: 'person_name_key' });
});

it('keeps its connection through errors', async () => {
  const before = app.pools.stats()[0]?.closed;
  for (let n = 0; n < 10; n++) await sql`selec`.execute(kysely).catch(() => undefined);
  expect(app.pools.stats()[0]?.closed).toBe(before);
});

describe('a transaction', () => {
  it('commits, and rolls back', async () => {
    await kysely.transaction().execute((trx) => add(trx, 'Ada'));
    const work = kysely
      .transaction()
      .setIsolationLevel('serializable')
      .execute(async (trx) => {
        await add(trx, 'Bob');
        throw new Unwanted();
      });
    await failure(work, Unwanted);
    expect(await names()).toEqual(['Ada']);
  });

  it('can be controlled by hand, with savepoints', async () => {
    const trx = await kysely.startTransaction().execute();
    await add(trx, 'Ada');
    const inner = await trx.savepoint('here').execute();
    await add(inner, 'Bob');
    await inner.rollbackToSavepoint('here').execute();
    await trx.commit().execute();
    expect(await names()).toEqual(['Ada']);
  });

  it('inside db.transaction() is part of it', async () => {
    const work = app.db.transaction(async () => {
      await app.db.query("insert into person (name) values ('Ada')");
      await failure(
        kysely.transaction().execute(async (trx) => {
          await add(trx, 'Bob');
          throw new Unwanted();
        }),
        Unwanted,
      );
      await kysely.transaction().execute((trx) => add(trx, 'Cleo'));
      expect(await kysely.selectFrom('person').select('name').orderBy('id').execute()).toEqual([
        { name: 'Ada' },
        { name: 'Cleo' },
      ]);
      throw new Unwanted();
    });
    await failure(work, Unwanted);
    expect(await names()).toEqual([]);
  });
});

it('streams, and stops when the reader does', async () => {
  await database.sql("insert into person (name) select 'p' || n from generate_series(1, 5000) n");
  let read = 0;
  for await (const row of kysely.selectFrom('person').selectAll().stream(100)) {
    read = row.id;
    if (read === 1_234) break;
  }
  expect(read).toBe(1_234);
  const all: string[] = [];
  for await (const { name } of kysely.selectFrom('person').select('name').stream(1_000))
    all.push(name);
  expect(all).toHaveLength(5_000);
});

it('answers many callers at the same time', async () => {
  await Promise.all(Array.from({ length: 200 }, (_, n) => add(kysely, `p${n}`)));
  expect(await names()).toHaveLength(200);
});
