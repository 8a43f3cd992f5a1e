// The pages about the way of a query are run: each snippet, against a real server, with the outcome that its page claims.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConflictException, Controller, Get, Inject, StreamableFile } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import {
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  QueryAbortedError,
  QueryTimeoutError,
  UniqueViolationError,
} from 'nestjs-database';
import { failure } from '../support/failure.js';
import { waitFor } from '../support/postgres.js';
import { usePageApp } from './page-app.js';
import { usePage } from './snippets.js';

const { database, start, listen, provide } = usePageApp('pages');

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
    const sleeping = app.get(DatabaseService).query('select pg_sleep(0.5)');
    await waitFor(() => service.lines()[0] === 'primary: 1/20, 0 waiting', {
      describe: 'the statement to be seen',
    });
    await sleeping;
  });
});

describe('docs/speed.md', () => {
  const page = usePage('docs/speed.md');

  it('has a report of the lane', async () => {
    const Report = await page.load<Type<{ lines(): string[] }>>(
      'lane-report.service.ts',
      'LaneReportService',
    );
    const { service, app } = await provide(Report);
    expect(service.lines()).toEqual(['primary: 0 reads shared 0/4']);
    const db = app.get(DatabaseService);
    await waitFor(
      async () => {
        await db.read('select 1 as one');
        return !service.lines()[0]?.startsWith('primary: 0 ');
      },
      { describe: 'a read by the lane', intervalMs: 0 },
    );
  });
});

describe('docs/load.md', () => {
  const page = usePage('docs/load.md');

  it('has a report that gets its rows', async () => {
    const Report = await page.load<Type<{ tables(): Promise<unknown[]> }>>(
      'nightly-report.service.ts',
      'NightlyReportService',
    );
    const { service } = await provide(Report);
    expect((await service.tables()).length).toBeGreaterThan(10);
  });

  it('has a maintenance during which nobody is connected, and connections that are new afterwards', async () => {
    interface Maintenance {
      whileNobodyIsConnected(restart: () => Promise<void>): Promise<void>;
      afterANewPassword(): Promise<void>;
    }
    const Service = await page.load<Type<Maintenance>>(
      'maintenance.service.ts',
      'MaintenanceService',
    );
    const { service, app } = await provide(Service);
    const db = app.get(DatabaseService);
    const pid = async (): Promise<unknown> => db.one('select pg_backend_pid() as pid');
    const before = await pid();
    let meanwhile: Promise<unknown> | undefined;
    await service.whileNobodyIsConnected(() => {
      expect(app.get(DatabasePoolService).stats()[0]).toMatchObject({
        total: 0,
        isSuspended: true,
      });
      meanwhile = pid();
      return Promise.resolve();
    });
    const between = await meanwhile;
    expect(between).not.toEqual(before);
    await service.afterANewPassword();
    expect(await pid()).not.toEqual(between);
    expect(app.get(DatabasePoolService).stats()[0]).toMatchObject({ max: 40 });
  });
});

describe('docs/resilience.md', () => {
  const page = usePage('docs/resilience.md');

  it('has a search that ends by its limit and with its client', async () => {
    const Search = await page.load<
      Type<{ search(words: string, signal: AbortSignal): Promise<Array<{ id: number }>> }>
    >('search.service.ts', 'SearchService');
    await database.sql('create table dogs (id int, body text)');
    await database.sql(`insert into dogs values (1, 'a lazy dog')`);
    await database.sql('create view article as select * from dogs');
    const { service } = await provide(Search);
    const { signal } = new AbortController();
    expect(await service.search('lazy', signal)).toEqual([{ id: 1 }]);

    await database.sql(
      `create or replace view article as select dogs.* from dogs, lateral (select pg_sleep(5) where id > 0) slow`,
    );
    await failure(service.search('lazy', signal), QueryTimeoutError);
    const client = new AbortController();
    const searching = failure(service.search('lazy', client.signal), QueryAbortedError);
    client.abort();
    await searching;
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

describe('docs/replicas.md', () => {
  const page = usePage('docs/replicas.md');

  it('has one read that asks the primary, and one that a replica may answer', async () => {
    process.env['DATABASE_REPLICA_URL'] = database.replicaUrl;
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    delete process.env['DATABASE_REPLICA_URL'];
    const Orders = await page.load<
      Type<{ find(id: number): Promise<unknown>; count(): Promise<{ fromReplica: boolean }> }>
    >('order.repository.ts', 'OrderRepository');
    await database.sql('create table orders (id int primary key)');
    await database.sql('insert into orders values (1)');
    await database.replicaCaughtUp();
    const orders = (await start({ imports: [AppModule] })).get(Orders);
    await waitFor(async () => (await orders.count()).fromReplica, {
      describe: 'the replica to answer',
    });
    expect(await orders.count()).toEqual({ count: 1, fromReplica: true });
    expect(await orders.find(1)).toEqual({ id: 1, fromReplica: false });
  });
});

describe('docs/consistency.md', () => {
  const page = usePage('docs/consistency.md');

  it('has a service whose reads see its writes, and an interceptor for each request', async () => {
    const Orders = await page.load<
      Type<{
        place(id: number): Promise<string>;
        find(id: number, token: string): Promise<unknown>;
      }>
    >('order.service.ts', 'OrderService');
    const ConsistencyModule = await page.load<Type>('consistency.module.ts', 'ConsistencyModule');
    await database.sql('drop table if exists orders');
    await database.sql('create table orders (id int primary key)');
    const core = DatabaseModule.forRoot({ url: database.url, replicas: [database.replicaUrl] });
    const app = await start({ imports: [core, ConsistencyModule], providers: [Orders] });
    const orders = app.get(Orders);
    for (let id = 1; id <= 20; id++) {
      expect(await orders.find(id, await orders.place(id))).toEqual({ id });
    }
  });
});

describe('docs/sessions.md', () => {
  const page = usePage('docs/sessions.md');

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

describe('docs/listen.md', () => {
  const page = usePage('docs/listen.md');

  it('has a cache that follows what others write, and reads anew after a gap', async () => {
    await database.sql(`create table rate as select 'A' as symbol, 1 as cents`);
    interface Prices {
      onApplicationBootstrap(): Promise<void>;
      priceOf(symbol: string): number | undefined;
      change(symbol: string, cents: number): Promise<void>;
    }
    const PriceCache = await page.load<Type<Prices>>('price-cache.service.ts', 'PriceCache');
    const { service } = await provide(PriceCache);
    expect(service.priceOf('A')).toBe(1);
    await service.change('A', 2);
    await waitFor(() => service.priceOf('A') === 2, { describe: 'the change' });
    await database.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%' or query = 'SELECT pg_backend_pid() AS pid'`,
    );
    await database.sql(`update rate set cents = 3`);
    await waitFor(() => service.priceOf('A') === 3, { describe: 'the gap to be read' });
  });
});

describe('docs/exactly-once.md', () => {
  const page = usePage('docs/exactly-once.md');

  it('has a payout that is stored once', async () => {
    const Payout = await page.load<Type<{ pay(account: string, cents: number): Promise<number> }>>(
      'payout.service.ts',
      'PayoutService',
    );
    await database.sql('create table payout (id serial primary key, account text, cents int)');
    const { service } = await provide(Payout);
    expect(await service.pay('anna', 500)).toBe(1);
    expect(await database.sql('select account, cents from payout')).toEqual([
      { account: 'anna', cents: 500 },
    ]);
  });
});

describe('docs/transactions.md', () => {
  const page = usePage('docs/transactions.md');

  it('has an import whose savepoints keep the rest', async () => {
    const Import = await page.load<Type<{ import(titles: readonly string[]): Promise<string[]> }>>(
      'article-import.service.ts',
      'ArticleImportService',
    );
    await database.sql('drop view if exists article');
    await database.sql('create table article (title text unique)');
    const { service } = await provide(Import);
    expect(await service.import(['a', 'b', 'a', 'c'])).toEqual(['a']);
    expect(await database.sql('select title from article order by title')).toEqual([
      { title: 'a' },
      { title: 'b' },
      { title: 'c' },
    ]);
  });

  it('has a service whose method is a transaction', async () => {
    const Tags = await page.load<Type<{ rename(from: string, to: string): Promise<number> }>>(
      'tag.service.ts',
      'TagService',
    );
    const { service } = await provide(Tags);
    expect(await service.rename('c', 'd')).toBe(1);
    await expect(service.rename('a', 'b')).rejects.toMatchObject({ code: 'DB_UNIQUE_VIOLATION' });
  });
});

describe('docs/streams.md', () => {
  const page = usePage('docs/streams.md');
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pages-'));
    await database.sql('create table booking (day timestamptz, cents int)');
    await database.sql(
      `insert into booking select '2020-01-01Z'::timestamptz + i * interval '1 min', i from generate_series(0, 19999) i`,
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  interface Report {
    lines(year: number): AsyncGenerator<string>;
  }

  it('has a report that is read row by row, and may be left', async () => {
    const ReportService = await page.load<Type<Report>>('report.service.ts', 'ReportService');
    const { service, app } = await provide(ReportService);
    const lines: string[] = [];
    for await (const line of service.lines(2020)) lines.push(line);
    expect(lines).toHaveLength(20_000);
    expect(lines[1]).toBe('2020-01-01T00:01:00.000Z;1\n');
    for await (const line of service.lines(2020)) if (line !== '') break;
    expect(app.get(DatabasePoolService).stats()[0]).toMatchObject({ leased: 0 });
  });

  it('ends the report when its client goes away', async () => {
    const ReportService = await page.load<Type<Report>>('report.service.ts', 'ReportService');

    @Controller('report')
    class ReportController {
      constructor(@Inject(ReportService) private readonly reports: Report) {}

      @Get()
      report(): StreamableFile {
        return new StreamableFile(Readable.from(this.reports.lines(2020)));
      }
    }

    const imports = [DatabaseModule.forRoot({ url: database.url })];
    const controllers = [ReportController];
    const { app, url } = await listen({ imports, controllers, providers: [ReportService] });
    expect((await (await fetch(`${url}/report`)).text()).split('\n')).toHaveLength(20_001);
    const client = new AbortController();
    const { body } = await fetch(`${url}/report`, { signal: client.signal });
    await body?.getReader().read();
    expect(app.get(DatabasePoolService).stats()[0]).toMatchObject({ leased: 1 });
    client.abort();
    await waitFor(() => app.get(DatabasePoolService).stats()[0]?.leased === 0, {
      describe: 'the cursor to be closed',
    });
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

describe('docs/errors.md', () => {
  const page = usePage('docs/errors.md');
  beforeAll(() => database.sql('create table app_user (id serial, email text unique)'));

  it('has an application that answers with status and code', async () => {
    const AppModule = await page.load<Type>('app.module.ts', 'AppModule');
    const { url } = await listen({ imports: [AppModule] });
    const missing = await fetch(`${url}/users/nobody@example.org`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ statusCode: 404, code: 'DB_NOT_FOUND_ROW' });
    await database.sql('alter table app_user rename to hidden');
    const broken = await fetch(`${url}/users/nobody@example.org`);
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
