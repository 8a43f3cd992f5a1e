// The pages are run: each snippet, as the application or a part of it, against a real server.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type {
  FactoryProvider,
  INestApplication,
  INestApplicationContext,
  Type,
} from '@nestjs/common';
import { ConflictException, Logger } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import {
  CheckViolationError,
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  ShutdownError,
  UniqueViolationError,
} from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import type { EmbeddedPostgres } from '../../libs/database/src/embedded/embedded-postgres.js';
import { failure } from '../support/failure.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';
import { readPage, tablesOf } from './markdown.js';
import { usePage } from './snippets.js';

const database = useTestDatabase('pages');
const before = process.env['DATABASE_URL'];
let started: INestApplicationContext | undefined;

beforeAll(() => {
  process.env['DATABASE_URL'] = database.url;
});
afterEach(async () => {
  await started?.close();
  started = undefined;
});
afterAll(() => {
  if (before === undefined) delete process.env['DATABASE_URL'];
  else process.env['DATABASE_URL'] = before;
});

/** One provider of a page, in an application with the module. */
async function provide<T>(
  provider: Type<T>,
  options: DatabaseModuleOptions = {},
): Promise<{ service: T; app: INestApplicationContext }> {
  const imports = [DatabaseModule.forRoot({ url: database.url, ...options })];
  const app = await Test.createTestingModule({ imports, providers: [provider] }).compile();
  started = await app.init();
  return { service: app.get(provider), app };
}

/** Ends the backend whose statement holds `text`, once it runs. */
async function killBackendOf(text: string): Promise<void> {
  await waitFor(
    async () => {
      const rows = await database.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where state = 'active' and pid <> pg_backend_pid() and position($1 in query) > 0`,
        [text],
      );
      return rows.length > 0;
    },
    { describe: `a backend that runs ${text}` },
  );
}

describe('docs/pool.md', () => {
  const page = usePage('docs/pool.md');

  it('has figures of each server', async () => {
    const Report = await page.load<Type<{ lines(): string[] }>>(
      'pool-report.service.ts',
      'PoolReportService',
    );
    const { service, app } = await provide(Report);
    const sleeping = app.get(DatabaseService).query('select pg_sleep(0.2)');
    await waitFor(() => service.lines()[0] === 'primary: 1/20, 0 waiting', {
      describe: 'the statement to be seen',
    });
    await sleeping;
  });
});

describe('docs/resilience.md', () => {
  const page = usePage('docs/resilience.md');

  it('has a search that ends by its limit and with its client', async () => {
    const Search = await page.load<
      Type<{ search(words: string, signal: AbortSignal): Promise<Array<{ id: number }>> }>
    >('search.service.ts', 'SearchService');
    await database.sql(
      'create table article (id int generated always as identity, title text unique, body text)',
    );
    await database.sql(`insert into article (body) values ('a lazy dog')`);
    const { service } = await provide(Search);
    const { signal } = new AbortController();
    expect(await service.search('lazy', signal)).toEqual([{ id: 1 }]);

    await database.sql('alter table article rename to base');
    await database.sql(
      `create view article as select id, body from base, lateral (select pg_sleep(5) where id > 0) slow`,
    );
    await failure(service.search('dog', signal), QueryTimeoutError);
    const client = new AbortController();
    const searching = failure(service.search('dog', client.signal), QueryAbortedError);
    client.abort();
    await searching;
    await database.sql('drop view article');
    await database.sql('alter table base rename to article');
  });

  it('has a write that is repeated after a lost connection, for it says that it may be', async () => {
    const Prices = await page.load<Type<{ set(symbol: string, cents: number): Promise<unknown> }>>(
      'price.repository.ts',
      'PriceRepository',
    );
    await database.sql('create table price (symbol text primary key, cents int)');
    await database.sql(
      `create function slowly() returns trigger language plpgsql as
       $$ begin perform pg_sleep(0.5); return new; end $$`,
    );
    await database.sql(
      'create trigger slow before insert on price for each row execute function slowly()',
    );
    const { service } = await provide(Prices);
    const setting = service.set('ACME', 100);
    await killBackendOf('insert into price');
    await setting;
    expect(await database.sql('select * from price')).toEqual([{ symbol: 'ACME', cents: 100 }]);
  });
});

describe('docs/transactions.md', () => {
  const page = usePage('docs/transactions.md');

  it('has an import whose savepoints keep the rest', async () => {
    const Import = await page.load<Type<{ import(titles: readonly string[]): Promise<string[]> }>>(
      'article-import.service.ts',
      'ArticleImportService',
    );
    const { service } = await provide(Import);
    expect(await service.import(['a', 'b', 'a', 'c'])).toEqual(['a']);
    const stored = await database.sql(
      'select title from article where title is not null order by title',
    );
    expect(stored).toEqual([{ title: 'a' }, { title: 'b' }, { title: 'c' }]);
  });

  it('has a job that one process does at a time', async () => {
    const Job = await page.load<Type<{ run(work: () => Promise<void>): Promise<boolean> }>>(
      'nightly.job.ts',
      'NightlyJob',
    );
    const { service } = await provide(Job);
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    let isAtWork = false;
    const first = service.run(async () => {
      isAtWork = true;
      await gate;
    });
    await waitFor(() => isAtWork, { describe: 'the first to begin' });
    expect(await service.run(async () => undefined)).toBe(false);
    goOn();
    expect(await first).toBe(true);
    await waitFor(() => service.run(async () => undefined), { describe: 'the lock to be free' });
  });
});

describe('docs/streams.md', () => {
  const page = usePage('docs/streams.md');
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pages-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has a report that is read row by row, and may be left', async () => {
    const Report = await page.load<Type<{ lines(year: number): AsyncGenerator<string> }>>(
      'report.service.ts',
      'ReportService',
    );
    await database.sql('create table booking (day timestamptz, cents int)');
    await database.sql(
      `insert into booking select '2020-01-01Z'::timestamptz + i * interval '1 hour', i from generate_series(0, 1999) i`,
    );
    const { service, app } = await provide(Report);
    const lines: string[] = [];
    for await (const line of service.lines(2020)) lines.push(line);
    expect(lines).toHaveLength(2_000);
    expect(lines[1]).toBe('2020-01-01T01:00:00.000Z;1\n');
    for await (const line of service.lines(2020)) if (line !== '') break;
    expect(app.get(DatabasePoolService).stats()[0]).toMatchObject({ leased: 0 });
  });

  it('has an import of files and rows, all or nothing', async () => {
    const Import = await page.load<
      Type<{
        importFile(path: string): Promise<number>;
        importRows(rows: AsyncIterable<[string, number]>): Promise<number>;
      }>
    >('quote-import.service.ts', 'QuoteImportService');
    await database.sql('create table quote (symbol text primary key, cents int)');
    const { service } = await provide(Import);
    const path = join(folder, 'quotes.csv');
    await writeFile(path, 'symbol,cents\nACME,100\n"A,B",7\n');
    expect(await service.importFile(path)).toBe(2);
    await failure(service.importFile(path), UniqueViolationError);
    async function* rows(): AsyncGenerator<[string, number]> {
      yield ['MSFT', 1];
      yield ['ACME', 2];
    }
    await failure(service.importRows(rows()), UniqueViolationError);
    expect(await database.sql('select symbol from quote order by symbol')).toEqual([
      { symbol: 'A,B' },
      { symbol: 'ACME' },
    ]);
  });
});

describe('docs/shutdown.md', () => {
  const page = usePage('docs/shutdown.md');

  it('has a main that closes the pool with the application', async () => {
    const bootstrap = await page.load<(port: number) => Promise<INestApplication>>(
      'main.ts',
      'bootstrap',
    );
    const app = await bootstrap(0);
    const db = app.get(DatabaseService);
    const working = db.one('select pg_sleep(0.3), 1 as done');
    await waitFor(() => db.status().pools[0]?.leased === 1, { describe: 'the statement to run' });
    const closing = app.close();
    expect(await working).toMatchObject({ done: 1 });
    await closing;
    await failure(db.query('select 1'), ShutdownError);
    expect(db.status()).toMatchObject({ state: 'closed', pools: [{ total: 0 }] });
  });
});

describe('docs/embedded.md', () => {
  const page = usePage('docs/embedded.md');

  it('has a server for tests, with the settings that it asks for', async () => {
    const start = await page.load<(dataDir: string) => Promise<EmbeddedPostgres>>(
      'test-database.ts',
      'startTestServer',
    );
    const dataDir = join(tmpdir(), `pages-${randomUUID()}`);
    const server = await start(dataDir);
    try {
      const app = await Test.createTestingModule({
        imports: [DatabaseModule.forRoot({ url: server.url })],
      }).compile();
      await app.init();
      expect(
        await app
          .get(DatabaseService)
          .one(`select current_database() as name, current_setting('fsync') as fsync`),
      ).toEqual({ name: 'test', fsync: 'off' });
      await app.close();
    } finally {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

describe('docs/typeorm.md', () => {
  const page = usePage('docs/typeorm.md');

  it('has a repository that shares a transaction with DatabaseService', async () => {
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const Notes = await page.load<Type<{ write(text: string): Promise<{ id: number }> }>>(
      'note.service.ts',
      'NoteService',
    );
    started = await (await Test.createTestingModule({ imports: [AppModule] }).compile()).init();
    const notes = started.get(Notes);
    expect(await notes.write('one')).toMatchObject({ id: 1 });
    await notes.write('two');
    await failure(notes.write('three'), CheckViolationError);
    expect(await database.sql('select text from note order by id')).toEqual([
      { text: 'one' },
      { text: 'two' },
    ]);
  });
});

describe('docs/pg-pool.md', () => {
  const page = usePage('docs/pg-pool.md');
  beforeAll(() => database.sql('create table person (id serial primary key, name text not null)'));

  it('has Kysely and Drizzle on one pool, in one transaction', async () => {
    interface Insertion {
      values(row: object): { execute(): Promise<unknown> };
    }
    const token = await page.load<Type<{ insertInto(table: string): Insertion }>>(
      'kysely.provider.ts',
      'PersonDatabase',
    );
    const provider = await page.load<FactoryProvider>('kysely.provider.ts', 'personDatabase');
    const People = await page.load<Type<{ byName(name: string): Promise<unknown[]> }>>(
      'person.repository.ts',
      'PersonRepository',
    );
    const imports = [DatabaseModule.forRoot({ url: database.url })];
    const providers = [provider, People];
    started = await (await Test.createTestingModule({ imports, providers }).compile()).init();
    const [db, kysely, people] = [
      started.get(DatabaseService),
      started.get(token),
      started.get(People),
    ];
    const work = db.transaction(async () => {
      await kysely.insertInto('person').values({ name: 'Ada' }).execute();
      expect(await people.byName('Ada')).toEqual([{ id: 1, name: 'Ada' }]);
      throw new RangeError('not today');
    });
    await failure(work, RangeError);
    expect(await people.byName('Ada')).toEqual([]);
  });
});

describe('docs/options.md', () => {
  const page = usePage('docs/options.md');

  it('has two instances, each injected by its name', async () => {
    process.env['ARCHIVE_URL'] = database.url;
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const Report = await page.load<Type<{ names(): Promise<string[]> }>>(
      'app.module.ts',
      'ReportService',
    );
    started = await (await Test.createTestingModule({ imports: [AppModule] }).compile()).init();
    delete process.env['ARCHIVE_URL'];
    expect(await started.get(Report).names()).toEqual(['default', 'archive']);
  });
});

describe('docs/replicas.md', () => {
  const page = usePage('docs/replicas.md');

  it('has one read that asks the primary, and one that a replica may answer', async () => {
    process.env['DATABASE_REPLICA_URL'] = database.replicaUrl;
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const Orders = await page.load<
      Type<{ find(id: number): Promise<unknown>; count(): Promise<{ fromReplica: boolean }> }>
    >('order.repository.ts', 'OrderRepository');
    await database.sql('create table orders (id int primary key)');
    await database.sql('insert into orders values (1)');
    await database.replicaCaughtUp();
    started = await (await Test.createTestingModule({ imports: [AppModule] }).compile()).init();
    delete process.env['DATABASE_REPLICA_URL'];
    const orders = started.get(Orders);
    await waitFor(async () => (await orders.count()).fromReplica, {
      describe: 'the replica to answer',
    });
    expect(await orders.count()).toEqual({ count: 1, fromReplica: true });
    expect(await orders.find(1)).toEqual({ id: 1, fromReplica: false });
  });
});

describe('docs/errors.md', () => {
  const page = usePage('docs/errors.md');
  beforeAll(() => database.sql('create table app_user (id serial, email text unique)'));

  it('has an application that answers with status and code', async () => {
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    const app = testing.createNestApplication({ logger: false });
    started = app;
    await app.listen(0, '127.0.0.1');
    const ask = (email: string): Promise<Response> =>
      app.getUrl().then((url) => fetch(`${url}/users/${email}`));
    const missing = await ask('nobody@example.org');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ statusCode: 404, code: 'DB_NOT_FOUND_ROW' });
    await database.sql('alter table app_user rename to hidden');
    const broken = await ask('nobody@example.org');
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain('app_user');
    await database.sql('alter table hidden rename to app_user');
  });

  it('has a sign-up that tells what is taken', async () => {
    const Signup = await page.load<Type<{ signUp(email: string): Promise<void> }>>(
      'signup.service.ts',
      'SignupService',
    );
    const { service } = await provide(Signup);
    await service.signUp('ada@example.org');
    await failure(service.signUp('ada@example.org'), ConflictException);
  });
});

describe('docs/health.md', () => {
  const page = usePage('docs/health.md');

  it('has endpoints, and indicators for Terminus', async () => {
    const HealthController = await page.load<Type>('health.controller.ts', 'HealthController');
    const endpoints = { token: 'of-the-operators' };
    const testing = await Test.createTestingModule({
      imports: [DatabaseModule.forRoot({ url: database.url, endpoints }), TerminusModule],
      controllers: [HealthController],
    }).compile();
    const app = testing.createNestApplication({ logger: false });
    started = app;
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    await waitFor(async () => (await fetch(`${url}/health/ready`)).status === 200, {
      describe: 'the application to be ready',
    });
    const rows = tablesOf(readPage('docs/health.md')).flat();
    const paths = rows.flatMap((row) => row['GET']?.match(/\/[\w/-]+/g) ?? []);
    expect(paths.length).toBeGreaterThanOrEqual(8);
    const headers = { Authorization: `Bearer ${endpoints.token}` };
    for (const path of paths) {
      const answer = await fetch(`${url}${path}`, { headers });
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    const db = app.get(DatabaseService);
    await failure(db.query('selec'), QueryError);
    const names = rows.flatMap((row) => row['metric']?.match(/\w{10,}/g) ?? []);
    const scraped = await (await fetch(`${url}/metrics`)).text();
    for (const name of names.filter((each) => !each.startsWith('error_'))) {
      expect(scraped).toContain(name);
    }
    expect((await fetch(`${url}/api/database/health`)).status).toBe(401);
    expect(await (await fetch(`${url}/status`)).json()).toMatchObject({
      status: 'ok',
      details: { database: { status: 'up' }, pool: { status: 'up' }, replicas: { status: 'up' } },
    });
  });

  it('has a log of slow queries', async () => {
    const SlowQueryLog = await page.load<Type>('slow-query.log.ts', 'SlowQueryLog');
    const { app } = await provide(SlowQueryLog);
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await app.get(DatabaseService).query('select pg_sleep(0.6)');
    await app.get(DatabaseService).query('select 1');
    const lines = warn.mock.calls
      .map(([text]) => String(text))
      .filter((text) => /select/.test(text));
    expect(lines).toEqual([
      expect.stringMatching(/^\d{3,4}[.\d]* ms \(.* ms queued\): select pg_sleep/),
    ]);
    warn.mockRestore();
  });
});
