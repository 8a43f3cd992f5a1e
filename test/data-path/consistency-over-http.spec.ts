// What a user has written, carried by a cookie or a header over two processes, on both platforms.
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, HttpException, Inject, Module, Post, Res } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  ConsistencyInterceptor,
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  UsageError,
} from 'nestjs-database';
import type { ConsistencyInterceptorOptions } from 'nestjs-database';
import { useLeakCheck } from '../support/leak-check.js';
import { sql, useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('consistency_http');
let apps: INestApplication[] = [];

beforeAll(async () => {
  await database.sql('create table note (id serial primary key)');
  await database.replicaCaughtUp();
});
afterEach(async () => {
  await sql(database.replicaUrl, 'select pg_wal_replay_resume()');
  await Promise.all(apps.map((app) => app.close()));
  apps = [];
});
useLeakCheck({ database });

@Controller()
class NoteController {
  constructor(@Inject(DatabaseService) private readonly db: DatabaseService) {}

  @Get()
  async count(): Promise<unknown> {
    const text = 'select count(*)::int as n, pg_is_in_recovery() as "fromReplica" from note';
    // A step of asynchronous work: the context has to survive it.
    await new Promise((resolve) => setImmediate(resolve));
    return this.db.one(text, [], { consistency: 'session' });
  }

  @Post()
  async add(): Promise<unknown> {
    return this.db.one('insert into note default values returning id');
  }

  @Post('and-fail')
  async addAndFail(): Promise<never> {
    await this.add();
    throw new HttpException('after the write', 418);
  }

  @Post('by-hand')
  async addByHand(
    @Res() response: { header(name: string, value: string): unknown; send(body: object): unknown },
  ) {
    response.header('Set-Cookie', 'theme=dark');
    response.send((await this.add()) as object);
  }
}

async function start(platform: string, options?: ConsistencyInterceptorOptions): Promise<string> {
  const useClass =
    options === undefined ? ConsistencyInterceptor : ConsistencyInterceptor.with(options);
  @Module({
    imports: [
      DatabaseModule.forRoot({
        url: database.url,
        replicas: [database.replicaUrl],
        pool: { max: 4, min: 1 },
        routing: { probeIntervalMs: 100 },
        endpoints: false,
      }),
    ],
    controllers: [NoteController],
    providers: [{ provide: APP_INTERCEPTOR, useClass }],
  })
  class AppModule {}
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = module.createNestApplication(adapter, { logger: false });
  apps.push(app);
  await app.listen(0, '127.0.0.1');
  const pools = app.get(DatabasePoolService);
  await waitFor(() => pools.nodes().every(({ isReachable }) => isReachable), {
    describe: 'both servers to be seen',
  });
  return app.getUrl();
}

const post = (url: string, path = ''): Promise<Response> =>
  fetch(`${url}/${path}`, { method: 'POST' });
const count = async (url: string, headers: Record<string, string> = {}): Promise<unknown> =>
  (await fetch(url, { headers })).json();
/** What a browser sends back. */
const cookieOf = (response: Response): string =>
  response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
const inTable = async (): Promise<number> =>
  (await database.sql<{ n: number }>('select count(*)::int as n from note'))[0]?.n ?? 0;
const pauseReplay = async (): Promise<void> => {
  await database.replicaCaughtUp();
  await sql(database.replicaUrl, 'select pg_wal_replay_pause()');
};

describe.each(['express', 'fastify'])('on %s', (platform) => {
  it('a user sees what he has written, in another process too; other users ask the replica', async () => {
    const [one, other] = [await start(platform), await start(platform)];
    await pauseReplay();
    const written = await post(one);
    const cookie = cookieOf(written);
    expect(written.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^db-consistency=w1\.[0-9a-f.]{42}; Path=\/; Max-Age=60; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    const n = await inTable();
    expect(await count(other, { cookie: `a=b; ${cookie}; c="d"` })).toEqual({
      n,
      fromReplica: false,
    });
    expect(await count(other)).toEqual({ n: n - 1, fromReplica: true });
  });

  it('a request that writes nothing gets no cookie', async () => {
    const url = await start(platform);
    const cookie = cookieOf(await post(url));
    expect((await fetch(url, { headers: { cookie } })).headers.getSetCookie()).toEqual([]);
  });

  it('a handler that throws after it wrote tells so', async () => {
    const url = await start(platform);
    await pauseReplay();
    const failed = await post(url, 'and-fail');
    expect(failed.status).toBe(418);
    const n = await inTable();
    expect(await count(url, { cookie: cookieOf(failed) })).toEqual({ n, fromReplica: false });
  });

  it('a handler that answers by itself keeps its headers, and is not disturbed', async () => {
    const url = await start(platform);
    const answered = await post(url, 'by-hand');
    expect(answered.status).toBe(201);
    expect(answered.headers.getSetCookie()).toContain('theme=dark');
  });

  it('whatever a client sends, what is no token counts as none', async () => {
    const url = await start(platform);
    const token = cookieOf(await post(url)).replace('db-consistency=', '');
    const foreign = token.replace(/^(w1\.)\w{16}/, `$1${'0'.repeat(15)}1`);
    const values = ['', '=', 'garbage', '"', `${token}x`, foreign, 'w1.', '\t', 'x'.repeat(4_000)];
    for (const value of values) {
      const response = await fetch(url, { headers: { cookie: `db-consistency=${value}` } });
      expect(response.status).toBe(200);
    }
    expect((await fetch(url, { headers: { cookie: ';;=;db-consistency' } })).status).toBe(200);
  });

  it('a header serves clients without cookies', async () => {
    const options = { cookie: false, header: 'X-Consistency' } as const;
    const [one, other] = [await start(platform, options), await start(platform, options)];
    await pauseReplay();
    const written = await post(one);
    const token = written.headers.get('x-consistency') ?? '';
    expect(written.headers.getSetCookie()).toEqual([]);
    const n = await inTable();
    expect(await count(other, { 'x-consistency': token })).toEqual({ n, fromReplica: false });
  });
});

it.each([
  [{ cookie: 'a b' }, /cookie = "a b" is no name of a cookie/],
  [{ header: 'x\r\ny' }, /is no name of a header/],
  [{ maxAgeMs: 0 }, /a second to a day/],
  [{ maxAgeMs: Number.NaN }, /a second to a day/],
])('%j is refused at once', (options, message) => {
  expect(() => ConsistencyInterceptor.with(options)).toThrow(UsageError);
  expect(() => ConsistencyInterceptor.with(options)).toThrow(message);
});
