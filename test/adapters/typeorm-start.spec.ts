// How a TypeORM data source starts: with the database, without it, beside others, and with wrong options.
import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext, ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { getDataSourceToken, getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  ConfigurationError,
  ConnectionError,
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  getDatabaseToken,
  QueryTimeoutError,
  findDatabaseError,
} from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { DataSource, QueryFailedError, Repository } from 'typeorm';
import type { Logger, MigrationInterface, QueryRunner } from 'typeorm';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';
import { Author, Book, Shelves1700000000000, startLibrary } from './typeorm-entities.js';
import type { LibraryApp } from './typeorm-entities.js';

const database = useTestDatabase('typeorm_start');
const other = useTestDatabase('typeorm_start_other');
const opened: Array<{ close(): Promise<unknown> }> = [];
let proxy: FaultProxy | undefined;

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await proxy?.stop();
  proxy = undefined;
  for (const { sql } of [database, other]) {
    await sql('drop table if exists migrations, book, author');
  }
});
useLeakCheck({ database });

const FAST = { pool: { max: 4, min: 0 }, routing: { probeIntervalMs: 100 } } as const;

async function library(options: DatabaseModuleOptions): Promise<LibraryApp> {
  const started = await startLibrary({ url: database.url, ...FAST, ...options });
  opened.push(started);
  return started;
}

async function application(imports: ModuleMetadata['imports']): Promise<INestApplicationContext> {
  const app = await Test.createTestingModule({ imports: imports ?? [] }).compile();
  await app.init();
  opened.push(app);
  return app;
}

async function behindProxy(url: string): Promise<string> {
  proxy = await startFaultProxy({ targetPort: Number(new URL(url).port) });
  return proxy.url(url);
}

const sessions = async (): Promise<number> =>
  (
    await database.sql(
      "select from pg_stat_activity where datname = current_database() and application_name = 'nestjs-database'",
    )
  ).length;

const silence = (): void => undefined;
const SILENT: Logger = {
  logQuery: silence,
  logQueryError: silence,
  logQuerySlow: silence,
  logSchemaBuild: silence,
  logMigration: silence,
  log: silence,
};

class Broken1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table nowhere.at_all (id int)');
  }
  async down(): Promise<void> {}
}

class Slow1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('select pg_sleep(0.8)');
  }
  async down(): Promise<void> {}
}

describe('with its database there', () => {
  it('has its schema made by synchronize before anybody asks', async () => {
    const { library: shelves } = await library({
      typeorm: { entities: [Author, Book], synchronize: true },
    });
    await shelves.authors.save({ name: 'Ada', books: [{ title: 'Notes' }] });
    expect(await database.sql('select title from book')).toEqual([{ title: 'Notes' }]);
  });

  it('gives migrations more time than other statements', async () => {
    const { library: shelves } = await library({
      pool: { max: 4, min: 0, statementTimeoutMs: 400 },
      typeorm: { migrations: [Shelves1700000000000, Slow1700000000002], migrationsRun: true },
    });
    expect(await shelves.dataSource.showMigrations()).toBe(false);
    const error = await failure(shelves.dataSource.query('select pg_sleep(0.8)'), QueryFailedError);
    expect(error.driverError).toBeInstanceOf(QueryTimeoutError);
    const limited = library({
      typeorm: {
        migrations: [Slow1700000000002],
        migrationsRun: true,
        migrationsTableName: 'author',
        migrationTimeoutMs: 100,
        logger: SILENT,
      },
    });
    await expect(limited).rejects.toThrow();
  });

  it('fails the start when a migration fails, and leaves no connection', async () => {
    const migrations = [Broken1700000000001];
    for (const waitForDatabase of [true, false]) {
      const starting = library({
        startup: { waitForDatabase },
        typeorm: { migrations, migrationsRun: true, logger: SILENT },
      });
      await expect(starting).rejects.toThrow('schema "nowhere" does not exist');
      expect(await sessions()).toBe(0);
    }
  });

  it('can be told to migrate by hand, and back', async () => {
    const { library: shelves } = await library({
      typeorm: { migrations: { all: Shelves1700000000000 } },
    });
    await shelves.dataSource.runMigrations();
    expect(await shelves.authors.count()).toBe(0);
    await shelves.dataSource.undoLastMigration();
    await expect(shelves.authors.count()).rejects.toThrow('relation "author" does not exist');
  });

  it('closes with the application, and can be closed before', async () => {
    const { library: shelves, close } = await library({ typeorm: {} });
    await shelves.dataSource.destroy();
    expect((await shelves.db.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await close();
    expect(await sessions()).toBe(0);
  });
});

describe('without its database', () => {
  const migrations = [Shelves1700000000000];

  it('exists, fails with ConnectionError, and becomes ready by itself', async () => {
    const url = await behindProxy(database.url);
    await proxy?.setMode('refuse');
    const { app, library: shelves } = await library({
      url,
      startup: { waitForDatabase: false },
      typeorm: { migrations, migrationsRun: true },
    });
    const { authors, dataSource } = shelves;
    expect(dataSource.isInitialized).toBe(false);
    expect(dataSource.hasMetadata(Author)).toBe(true);
    for (const asking of [
      authors.find(),
      authors.save({ name: 'Ada' }),
      dataSource.transaction((m) => m.count(Author)),
    ]) {
      const error = await failure<Error>(asking, Error);
      expect(error).toBeInstanceOf(ConnectionError);
    }
    await proxy?.setMode('pass');
    await waitFor(() => authors.find(), { describe: 'the data source to start' });
    expect(dataSource.isInitialized).toBe(true);
    expect(await authors.save({ name: 'Ada' })).toMatchObject({ id: 1 });
    expect(app.get(DataSource)).toBe(dataSource);
  });

  it('lets nobody in before its migrations have run', async () => {
    const url = await behindProxy(database.url);
    await proxy?.setMode('refuse');
    const { library: shelves } = await library({
      url,
      startup: { waitForDatabase: false },
      typeorm: { migrations: [...migrations, Slow1700000000002], migrationsRun: true },
    });
    await proxy?.setMode('pass');
    await waitFor(() => shelves.db.read('select 1'), { describe: 'the database to be there' });
    const early = await failure(shelves.authors.find(), ConnectionError);
    expect(early).toMatchObject({ code: 'DB_CONNECTION', safeToRetry: true });
    expect(early.message).toContain('migrations');
    await waitFor(() => shelves.authors.find(), { describe: 'the migrations' });
    expect(await shelves.dataSource.showMigrations()).toBe(false);
  });

  it('serves at once when there is nothing to migrate', async () => {
    await database.sql('create table author (id serial primary key, name text)');
    const url = await behindProxy(database.url);
    await proxy?.setMode('refuse');
    const { library: shelves } = await library({
      url,
      startup: { waitForDatabase: false },
      typeorm: {},
    });
    const error = await failure(shelves.authors.find(), QueryFailedError);
    expect(findDatabaseError(error)).toBeInstanceOf(ConnectionError);
    await proxy?.setMode('pass');
    await waitFor(() => shelves.authors.find(), { describe: 'the repository to answer' });
    await waitFor(() => shelves.dataSource.isInitialized, { describe: 'the data source to start' });
  });

  it('can be closed while it waits', async () => {
    const url = await behindProxy(database.url);
    await proxy?.setMode('refuse');
    const { close, library: shelves } = await library({
      url,
      startup: { waitForDatabase: false },
      typeorm: {},
    });
    await close();
    await proxy?.setMode('pass');
    await failure(shelves.authors.find(), Error);
    expect(shelves.dataSource.isInitialized).toBe(false);
  });

  it('fails the start when the application waits for its database', async () => {
    const url = await behindProxy(database.url);
    await proxy?.setMode('refuse');
    const starting = library({ url, startup: { attempts: 1 }, typeorm: { migrations } });
    await failure(starting, ConnectionError);
  });
});

describe('with replicas', () => {
  const typeorm = { entities: [Author, Book], readFromReplicas: true };
  const ASK = 'pg_is_in_recovery()';

  const isReplica = async ({ library: { authors, dataSource } }: LibraryApp): Promise<boolean> => {
    const runner = dataSource.createQueryRunner('slave');
    try {
      const [row] = (await runner.query(`select ${ASK} as replica`)) as Array<{ replica: boolean }>;
      await authors.find();
      return row?.replica === true;
    } finally {
      await runner.release();
    }
  };

  it('reads from them only when told so, and writes to the primary', async () => {
    await database.sql('create table author (id serial primary key, name text)');
    await database.replicaCaughtUp();
    const replicas = [database.replicaUrl];
    const app = await library({ replicas, typeorm });
    await waitFor(() => isReplica(app), { describe: 'a replica to answer' });
    await app.library.authors.save({ name: 'Ada' });
    const inside = await app.library.db.transaction(() => app.library.authors.count());
    expect(inside).toBe(1);
    const [row] = await app.library.dataSource.query<Array<{ replica: boolean }>>(
      `select ${ASK} as replica`,
    );
    expect(row).toEqual({ replica: false });
    const plain = await library({ replicas, typeorm: { ...typeorm, readFromReplicas: false } });
    expect(await isReplica(plain)).toBe(false);
  });

  it('starts although one is dead, and reads from the primary', async () => {
    const replica = await behindProxy(database.replicaUrl);
    await proxy?.setMode('refuse');
    const app = await library({ replicas: [replica], typeorm: { ...typeorm, synchronize: true } });
    expect(app.library.dataSource.isInitialized).toBe(true);
    await app.library.authors.save({ name: 'Ada' });
    expect(await app.library.authors.find()).toEqual([{ id: 1, name: 'Ada' }]);
    expect(await isReplica(app)).toBe(false);
  });
});

describe('beside others', () => {
  const schema = { entities: [Author, Book], synchronize: true };

  it('each instance has a data source of its name', async () => {
    const app = await application([
      DatabaseModule.forRoot({ ...FAST, url: database.url, typeorm: schema }),
      DatabaseModule.forRoot({
        ...FAST,
        name: 'other',
        url: other.url,
        typeorm: { ...schema, autoLoadEntities: false },
      }),
      TypeOrmModule.forFeature([Author]),
      TypeOrmModule.forFeature([Author], 'other'),
    ]);
    const here = app.get<Repository<Author>>(getRepositoryToken(Author), {
      strict: false,
    });
    const there = app.get<Repository<Author>>(getRepositoryToken(Author, 'other'), {
      strict: false,
    });
    await here.save({ name: 'here' });
    await there.save([{ name: 'there' }, { name: 'there too' }]);
    expect([await here.count(), await there.count()]).toEqual([1, 2]);
    expect(app.get(getDataSourceToken('other') as never, { strict: false })).not.toBe(
      app.get(DataSource, { strict: false }),
    );
    // A transaction of one instance is none of the other's.
    const db = app.get<DatabaseService>(getDatabaseToken('other') as never, { strict: false });
    const work = db.transaction(async () => {
      await there.delete({ name: 'there' });
      await here.save({ name: 'here too' });
      throw new Error('unwanted');
    });
    await expect(work).rejects.toThrow('unwanted');
    expect([await here.count(), await there.count()]).toEqual([2, 2]);
  });

  it('an instance without the option has none', async () => {
    const app = await application([
      DatabaseModule.forRoot({ ...FAST, url: database.url, typeorm: false }),
    ]);
    expect(() => app.get(DataSource, { strict: false })).toThrow();
  });

  it('options may come from a factory, when typeorm is announced beside it', async () => {
    const app = await application([
      DatabaseModule.forRootAsync({
        typeorm: true,
        useFactory: async () => ({ ...FAST, url: database.url, typeorm: schema }),
      }),
      TypeOrmModule.forFeature([Author]),
    ]);
    expect(await app.get(DataSource).getRepository(Author).count()).toBe(0);
    expect(app.get(DatabasePoolService).stats()[0]?.leased).toBe(0);
  });
});

describe('wrong options', () => {
  const start = (typeorm: unknown): Promise<unknown> =>
    library({ typeorm: typeorm as NonNullable<DatabaseModuleOptions['typeorm']> });

  it.each([
    ['url', 'postgresql://u:secret@h/d', 'url'],
    ['host', 'h', 'url'],
    ['password', 'secret', 'url'],
    ['ssl', true, 'tls'],
    ['poolSize', 5, 'pool.max'],
    ['extra', { max: 5, password: 'secret' }, 'pool'],
    ['replication', {}, 'readFromReplicas'],
    ['connectTimeoutMS', 5, 'pool.connectTimeoutMs'],
    ['driver', {}, 'Leave it out'],
    ['retryAttempts', 5, 'startup'],
    ['name', 'x', 'option name'],
  ])('%s is said elsewhere', async (key, value, mend) => {
    const error = await failure(start({ [key]: value }), ConfigurationError);
    expect(error.problems).toHaveLength(1);
    expect(error.problems[0]).toMatchObject({
      path: `typeorm.${key}`,
      mend: expect.stringContaining(mend),
    });
    expect(error.message).not.toContain('secret');
    expect(await sessions()).toBe(0);
  });

  it('all of them are told at once', async () => {
    const given = { host: 'h', entites: [], type: 'mysql', migrationTimeoutMs: 0 };
    const error = await failure(start(given), ConfigurationError);
    expect(error.problems.map(({ path }) => path).sort()).toEqual([
      'typeorm.entites',
      'typeorm.host',
      'typeorm.migrationTimeoutMs',
      'typeorm.type',
    ]);
    expect(error.message).toContain('Did you mean "entities"?');
    expect((await failure(start(true), ConfigurationError)).problems[0]?.path).toBe('typeorm');
  });

  it('a factory that returns typeorm unannounced, or announces it in vain', async () => {
    const asked = (isAnnounced: boolean, typeorm: object | false): Promise<unknown> =>
      application([
        DatabaseModule.forRootAsync({
          ...(isAnnounced ? { typeorm: true } : {}),
          useFactory: () => ({ ...FAST, url: database.url, typeorm }),
        }),
      ]);
    expect((await failure(asked(false, {}), ConfigurationError)).message).toContain(
      'Write typeorm: true beside useFactory',
    );
    expect((await failure(asked(true, false), ConfigurationError)).message).toContain(
      'take typeorm: true away',
    );
  });
});
