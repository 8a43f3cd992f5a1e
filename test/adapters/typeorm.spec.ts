// TypeORM on our pool: repositories, relations, query builders, and transactions that join ours.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DatabasePoolService,
  DatabaseRetryService,
  findDatabaseError,
  SerializationError,
  UniqueViolationError,
} from 'nestjs-database';
import { DataSource, EventSubscriber, QueryFailedError } from 'typeorm';
import type { EntitySubscriberInterface, InsertEvent } from 'typeorm';
import { getCoreToken } from '../../libs/database/src/database.tokens.js';
import type { Events } from '../../libs/database/src/kernel/events.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';
import { Author, Book, Shelves1700000000000, startLibrary } from './typeorm-entities.js';
import type { Library, LibraryApp } from './typeorm-entities.js';

const database = useTestDatabase('typeorm');
let started: LibraryApp;
let library: Library;
let pools: DatabasePoolService;

/** What the subscriber does after an author was inserted. */
let afterInsert: (event: InsertEvent<Author>) => Promise<unknown> = async () => undefined;

@EventSubscriber()
class Follower implements EntitySubscriberInterface<Author> {
  listenTo(): typeof Author {
    return Author;
  }

  async afterInsert(event: InsertEvent<Author>): Promise<void> {
    await afterInsert(event);
  }
}

beforeAll(async () => {
  started = await startLibrary({
    url: database.url,
    pool: { max: 5, min: 1 },
    typeorm: { migrations: [Shelves1700000000000], migrationsRun: true, subscribers: [Follower] },
  });
  ({ library } = started);
  pools = started.app.get(DatabasePoolService);
});
beforeEach(async () => {
  afterInsert = async () => undefined;
  await database.sql('truncate author, book restart identity');
});
afterAll(() => started.close());
useLeakCheck({ database, pools: () => pools.stats() });

const names = async (): Promise<string[]> =>
  (await database.sql<{ name: string }>('select name from author order by id')).map(
    ({ name }) => name,
  );

class Unwanted extends Error {}
const giveUp = async (): Promise<never> => {
  throw new Unwanted();
};

describe('a query runner', () => {
  it('has no connection between its statements, 100 of them neither', async () => {
    const dataSource = started.app.get(DataSource);
    const runners = Array.from({ length: 100 }, () => dataSource.createQueryRunner());
    await Promise.all(runners.map((runner) => runner.connect()));
    const leased = (): number | undefined => pools.stats()[0]?.leased;
    try {
      expect(leased()).toBe(0);
      const [runner] = runners;
      await runner?.manager.find(Author);
      await runner?.manager.insert(Author, { name: 'Ada' });
      expect(leased()).toBe(0);
      await runner?.startTransaction();
      await runner?.manager.insert(Author, { name: 'Bob' });
      expect(leased()).toBe(1);
      await runner?.rollbackTransaction();
      expect(leased()).toBe(0);
    } finally {
      await Promise.all(runners.map((runner) => runner.release()));
    }
    expect(await names()).toEqual(['Ada']);
  });
});

describe('a repository', () => {
  it('takes no lease for a find', async () => {
    const { authors } = library;
    await authors.save({ name: 'Ada' });
    const { events } = started.app.get<{ events: Events }>(getCoreToken('default'));
    const pinned: boolean[] = [];
    const stop = events.on('query:done', (record) => pinned.push(record.pinned));
    expect(await authors.find()).toHaveLength(1);
    stop();
    expect(pinned).toEqual([false]);
  });

  it('saves, finds, updates and removes', async () => {
    const { authors } = library;
    const ada = await authors.save({ name: 'Ada' });
    expect(ada).toMatchObject({ id: 1, name: 'Ada' });
    await authors.update({ id: ada.id }, { name: 'Ada L.' });
    expect(await authors.findOneByOrFail({ id: ada.id })).toEqual({ id: 1, name: 'Ada L.' });
    expect((await authors.delete({ name: 'Ada L.' })).affected).toBe(1);
    expect(await authors.count()).toBe(0);
  });

  it('follows relations, there and back', async () => {
    const { authors, books } = library;
    await authors.save({ name: 'Ada', books: [{ title: 'Notes' }, { title: 'Letters' }] });
    const [ada] = await authors.find({
      relations: { books: true },
      order: { books: { id: 'ASC' } },
    });
    expect(ada?.books.map(({ title }) => title)).toEqual(['Notes', 'Letters']);
    const [notes] = await books.find({
      where: { author: { name: 'Ada' } },
      relations: { author: true },
    });
    expect(notes?.author.name).toBe('Ada');
  });

  it('is asked by a query builder', async () => {
    const { authors, dataSource } = library;
    await authors.insert([{ name: 'Ada' }, { name: 'Bob' }]);
    const found = await authors
      .createQueryBuilder('a')
      .where('a.name like :p', { p: 'A%' })
      .getMany();
    expect(found.map(({ name }) => name)).toEqual(['Ada']);
    const { affected } = await dataSource
      .createQueryBuilder()
      .update(Author)
      .set({ name: 'Bert' })
      .where({ name: 'Bob' })
      .execute();
    expect(affected).toBe(1);
    expect(await dataSource.query('select count(*)::int as n from author')).toEqual([{ n: 2 }]);
  });

  it('fails with QueryFailedError, and our error inside', async () => {
    await library.authors.save({ name: 'Ada' });
    const error = await failure(library.authors.insert({ name: 'Ada' }), QueryFailedError);
    expect(error.driverError).toBeInstanceOf(UniqueViolationError);
    expect(error).toMatchObject({
      code: '23505',
      constraint: 'author_name_key',
      detail: 'Key (name)=(Ada) already exists.',
      message: 'duplicate key value violates unique constraint "author_name_key"',
    });
    expect(findDatabaseError(error)).toBe(error.driverError);
  });

  it('serves many callers at the same time', async () => {
    const saving = Array.from({ length: 100 }, (_, n) => library.authors.save({ name: `a${n}` }));
    await Promise.all(saving);
    expect(await library.authors.count()).toBe(100);
    expect(pools.stats()[0]).toMatchObject({ leased: 0, waiting: 0 });
  });
});

describe('a transaction of TypeORM', () => {
  it('commits, rolls back and nests', async () => {
    const { dataSource } = library;
    await dataSource.transaction(async (manager) => {
      await manager.save(Author, { name: 'Ada' });
      const nested = manager.transaction(async (inner) => {
        await inner.save(Author, { name: 'Bob' });
        await giveUp();
      });
      await failure(nested, Unwanted);
    });
    const work = dataSource.transaction('SERIALIZABLE', async (manager) => {
      await manager.save(Author, { name: 'Cleo' });
      await giveUp();
    });
    await failure(work, Unwanted);
    expect(await names()).toEqual(['Ada']);
  });

  it('runs on one connection, and leaves nothing behind when nobody awaits a part of it', async () => {
    const pids = new Set<number>();
    const stray: Array<Promise<unknown>> = [];
    await library.dataSource.transaction(async (manager) => {
      for (let n = 0; n < 3; n++) {
        const [row] = await manager.query<Array<{ pid: number }>>('select pg_backend_pid() as pid');
        pids.add(row?.pid ?? 0);
      }
      stray.push(
        manager.query('select pg_sleep(0.02)'),
        manager.query("insert into author (name) values ('stray')"),
      );
      for (const promise of stray) promise.catch(() => undefined);
    });
    expect(pids.size).toBe(1);
    await Promise.allSettled(stray);
    const [row] = await database.sql<{ n: number }>(
      "select count(*)::int as n from author where name = 'stray'",
    );
    // Sent before COMMIT, it was part of the transaction; it never ran after it.
    expect(row?.n).toBe(1);
  });

  it('by hand', async () => {
    const runner = library.dataSource.createQueryRunner();
    await runner.startTransaction('REPEATABLE READ');
    await runner.manager.save(Author, { name: 'Ada' });
    await runner.rollbackTransaction();
    await runner.release();
    expect(await names()).toEqual([]);
  });
});

describe('inside db.transaction()', () => {
  it('repositories join it, and roll back with it', async () => {
    const { db, authors, books, dataSource } = library;
    const work = db.transaction(async (tx) => {
      const ada = await authors.save({ name: 'Ada' });
      await books.insert({ title: 'Notes', author: ada });
      const [row] = await dataSource.query<Array<{ pid: number }>>(
        'select pg_backend_pid() as pid',
      );
      expect(row?.pid).toBe(tx.backendPid);
      expect(await authors.count()).toBe(1);
      expect((await db.query('select name from author')).rows).toEqual([{ name: 'Ada' }]);
      await giveUp();
    });
    await failure(work, Unwanted);
    expect(await names()).toEqual([]);
  });

  it('a transaction of TypeORM is a savepoint', async () => {
    const { db, authors, dataSource } = library;
    await db.transaction(async () => {
      await authors.save({ name: 'Ada' });
      const nested = dataSource.transaction(async (manager) => {
        await manager.save(Author, { name: 'Bob' });
        await giveUp();
      });
      await failure(nested, Unwanted);
      await failure(authors.save({ name: 'Ada' }), QueryFailedError);
      await dataSource.transaction((manager) => manager.save(Author, { name: 'Cleo' }));
    });
    expect(await names()).toEqual(['Ada', 'Cleo']);
  });

  it('code that is called in a transaction of TypeORM joins that one, by whatever way it asks', async () => {
    const { db, authors, dataSource } = library;
    await db.transaction(async () => {
      const nested = dataSource.transaction(async (manager) => {
        await manager.save(Author, { name: 'manager' });
        await authors.save({ name: 'repository' });
        await db.query("insert into author (name) values ('query')");
        await db.transaction(async () => authors.insert({ name: 'nested' }), {
          propagation: 'nested',
        });
        expect(await authors.count()).toBe(4);
        await giveUp();
      });
      await failure(nested, Unwanted);
      expect(await authors.count()).toBe(0);
    });
  });

  it('a subscriber that asks by itself joins the save it is called by', async () => {
    const { db, authors, books } = library;
    afterInsert = async ({ entity }) =>
      books.insert({ title: `About ${entity.name}`, author: entity });
    await db.transaction(async () => {
      await authors.save([{ name: 'Ada' }, { name: 'Bob' }]);
    });
    expect(await books.count()).toBe(2);
  });

  it('siblings do not share a fate', async () => {
    const { db, authors, dataSource } = library;
    await db.transaction(async () => {
      await Promise.allSettled([
        dataSource.transaction(async (manager) => {
          await manager.save(Author, { name: 'rolled back' });
          await manager.query('select pg_sleep(0.02)');
          await giveUp();
        }),
        authors.save({ name: 'saved' }),
        authors.insert({ name: 'inserted' }),
        db.query("insert into author (name) values ('queried')"),
      ]);
    });
    expect((await names()).sort()).toEqual(['inserted', 'queried', 'saved']);
  });

  it('a serialization failure under TypeORM runs the whole again', async () => {
    const { db, authors } = library;
    const { id } = await authors.save({ name: 'Ada' });
    let attempts = 0;
    await db.transaction(
      async () => {
        attempts++;
        await authors.findOneByOrFail({ id });
        if (attempts === 1) await database.sql("update author set name = 'changed'");
        await authors.update({ id }, { name: `attempt ${attempts}` });
      },
      { isolation: 'repeatable read' },
    );
    expect(await names()).toEqual(['attempt 2']);
  });

  it('its errors are classified through the wrapper', async () => {
    const retry = started.app.get(DatabaseRetryService);
    const wrapped = new QueryFailedError('', [], new SerializationError('could not serialize'));
    expect(retry.classify(wrapped)).toMatchObject({ retry: 'transaction' });
  });
});

describe('the data source', () => {
  it('is the one that Nest injects, on our connections', async () => {
    const dataSource = started.app.get(DataSource);
    expect(dataSource).toBe(library.dataSource);
    expect(dataSource.isInitialized).toBe(true);
    expect(dataSource.hasMetadata(Book)).toBe(true);
    const sessions = await database.sql(
      "select distinct application_name from pg_stat_activity where datname = current_database() and application_name <> 'test-support'",
    );
    expect(sessions).toEqual([{ application_name: 'nestjs-database' }]);
  });

  it('has run its migrations', async () => {
    expect(await library.dataSource.showMigrations()).toBe(false);
    expect(await database.sql('select name from migrations')).toEqual([
      { name: 'Shelves1700000000000' },
    ]);
  });
});
