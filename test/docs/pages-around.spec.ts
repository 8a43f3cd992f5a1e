// The pages about what stands around a query are run: other libraries, health, the start and the end of the process.
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { FactoryProvider, INestApplication, Type } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import {
  CheckViolationError,
  DatabaseModule,
  DatabaseService,
  QueryError,
  ShutdownError,
} from 'nestjs-database';
import type { EmbeddedPostgres } from '../../libs/database/src/embedded/embedded-postgres.js';
import { failure } from '../support/failure.js';
import { waitFor } from '../support/postgres.js';
import { bare, readPage, tablesOf } from './markdown.js';
import { usePageApp } from './page-app.js';
import { usePage } from './snippets.js';

const { database, start, listen, provide } = usePageApp('pages_around');

describe('docs/options.md', () => {
  const page = usePage('docs/options.md');

  it('has two instances, each injected by its name', async () => {
    process.env['ARCHIVE_URL'] = database.url;
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const Report = await page.load<Type<{ names(): Promise<string[]> }>>(
      'app.module.ts',
      'ReportService',
    );
    const app = await start({ imports: [AppModule] });
    delete process.env['ARCHIVE_URL'];
    expect(await app.get(Report).names()).toEqual(['default', 'archive']);
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
    const notes = (await start({ imports: [AppModule] })).get(Notes);
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
    const Kysely = await page.load<Type<{ insertInto(table: string): Insertion }>>(
      'kysely.provider.ts',
      'PersonDatabase',
    );
    const provider = await page.load<FactoryProvider>('kysely.provider.ts', 'personDatabase');
    const People = await page.load<Type<{ byName(name: string): Promise<unknown[]> }>>(
      'person.repository.ts',
      'PersonRepository',
    );
    const imports = [DatabaseModule.forRoot({ url: database.url })];
    const app = await start({ imports, providers: [provider, People] });
    const people = app.get(People);
    const work = app.get(DatabaseService).transaction(async () => {
      await app.get(Kysely).insertInto('person').values({ name: 'Ada' }).execute();
      expect(await people.byName('Ada')).toEqual([{ id: 1, name: 'Ada' }]);
      throw new RangeError('not today');
    });
    await failure(work, RangeError);
    expect(await people.byName('Ada')).toEqual([]);
  });
});

describe('docs/health.md', () => {
  const page = usePage('docs/health.md');
  const rows = tablesOf(readPage('docs/health.md')).flat();

  it('has endpoints, and indicators for Terminus', async () => {
    const HealthController = await page.load<Type>('health.controller.ts', 'HealthController');
    const endpoints = { token: 'of-the-operators' };
    const { app, url } = await listen({
      imports: [DatabaseModule.forRoot({ url: database.url, endpoints }), TerminusModule],
      controllers: [HealthController],
    });
    await waitFor(async () => (await fetch(`${url}/health/ready`)).status === 200, {
      describe: 'the application to be ready',
    });
    const paths = rows.flatMap((row) => row['GET']?.match(/\/[\w/-]+/g) ?? []);
    expect(paths.length).toBeGreaterThanOrEqual(8);
    const headers = { Authorization: `Bearer ${endpoints.token}` };
    for (const path of paths) {
      const answer = await fetch(`${url}${path}`, { headers });
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    expect((await fetch(`${url}/api/database/health`)).status).toBe(401);
    const health = await (await fetch(`${url}/api/database/health`, { headers })).json();
    const checks = rows.flatMap((row) => ('check' in row ? [bare(row['check'])] : []));
    expect(Object.keys((health as { checks: object }).checks)).toEqual(checks);
    expect(await (await fetch(`${url}/status`)).json()).toMatchObject({
      status: 'ok',
      details: { database: { status: 'up' }, pool: { status: 'up' }, replicas: { status: 'up' } },
    });

    await failure(app.get(DatabaseService).query('selec'), QueryError);
    const metrics = rows.flatMap((row) => row['metric']?.match(/(db_client|nodejs)_\w+/g) ?? []);
    let scraped = '';
    await waitFor(
      async () => {
        scraped = await (await fetch(`${url}/metrics`)).text();
        return scraped.includes('nodejs_eventloop_lag');
      },
      { describe: 'the first look at the event loop, 50 ms after the start' },
    );
    for (const metric of metrics) expect(scraped).toContain(metric);
  });

  it('has a log of slow queries', async () => {
    const SlowQueryLog = await page.load<Type>('slow-query.log.ts', 'SlowQueryLog');
    const { app } = await provide(SlowQueryLog);
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await app.get(DatabaseService).query('select pg_sleep(0.6)');
    const lines = warn.mock.calls.map(([text]) => String(text));
    warn.mockRestore();
    expect(lines).toContainEqual(
      expect.stringMatching(/^\d{3,4}[.\d]* ms \(.* ms queued\): select pg_sleep/),
    );
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
    const startTestServer = await page.load<(dataDir: string) => Promise<EmbeddedPostgres>>(
      'test-database.ts',
      'startTestServer',
    );
    const dataDir = join(tmpdir(), `pages-${randomUUID()}`);
    const server = await startTestServer(dataDir);
    try {
      const app = await start({ imports: [DatabaseModule.forRoot({ url: server.url })] });
      const text = `select current_database() as name, current_setting('fsync') as fsync`;
      expect(await app.get(DatabaseService).one(text)).toEqual({ name: 'test', fsync: 'off' });
      await app.close();
    } finally {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
