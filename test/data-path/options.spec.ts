// Bad input at the door: every wrong option and every server that cannot be reached, with cause and mend.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  ConfigurationError,
  ConnectionError,
  databaseOptionsFromEnv,
  DatabaseModule,
  DatabasePoolService,
  getDatabaseToken,
} from 'nestjs-database';
import type { DatabaseModuleOptions, DatabaseService } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('options');
useLeakCheck({ database });

/** The URL with one part of it changed. */
function urlWith(
  change: Partial<Pick<URL, 'password' | 'pathname' | 'port' | 'username'>>,
): string {
  return Object.assign(new URL(database.url), change).href;
}

const wrong = (options: Record<string, unknown>): Promise<ConfigurationError> =>
  failure(
    startDatabaseApp({ url: 'postgresql://u:hunter2@127.0.0.1:1/d', ...options }),
    ConfigurationError,
  );

describe('options', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown option', { pol: {} }, /pol = .*is not an option. Did you mean "pool"\?/],
    [
      'an unknown option of a slice',
      { pool: { maximum: 3 } },
      /pool\.maximum = 3: is not an option/,
    ],
    ['a negative size', { pool: { max: -1 } }, /pool\.max = -1: must be a whole number/],
    ['a fractional size', { pool: { max: 2.5 } }, /pool\.max = 2\.5: must be a whole number/],
    ['a size that is no number', { pool: { max: '20' } }, /pool\.max = "20"/],
    [
      'min above max',
      { pool: { max: 2, min: 3 } },
      /pool\.min = 3: must not be greater than pool\.max \(2\)/,
    ],
    ['a timeout of nothing', { pool: { acquireTimeoutMs: 0 } }, /pool\.acquireTimeoutMs = 0/],
    ['a slice that is no object', { retry: 3 }, /retry = 3: must be an object/],
    ['a ratio beyond 1', { breaker: { failureRatio: 2 } }, /breaker\.failureRatio = 2/],
    [
      'an unknown isolation',
      { transaction: { isolation: 'dirty' } },
      /transaction\.isolation = "dirty".*"serializable"/,
    ],
    ['an unknown TLS mode', { tls: 'prefer' }, /tls\.mode = "prefer": must be one of/],
    [
      'a URL of something else',
      { url: 'mysql://root:hunter2@h/d' },
      /url = \(hidden\): must have the form/,
    ],
    ['no URL at all', { url: 'not a url hunter2' }, /url = \(hidden\)/],
    [
      'an unknown URL parameter',
      { url: 'postgresql://u:hunter2@h/d?pool=3' },
      /url\?pool.*not a parameter/,
    ],
    [
      'a silent fallback of TLS',
      { url: 'postgresql://u:hunter2@h/d?sslmode=prefer' },
      /sslmode.*clear text/,
    ],
    [
      'replicas without a primary',
      { url: undefined, replicas: ['postgresql://h/d'] },
      /must be given beside replicas/,
    ],
    [
      'hosts beside a url',
      { hosts: [{ url: 'postgresql://h/d' }] },
      /hosts.*cannot stand beside url/,
    ],
  ])('%s is named with its rule and mend', async (_, options, message) => {
    const error = await wrong(options);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('hunter2');
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });

  it('are all told at once', async () => {
    const error = await wrong({ pool: { max: 0, min: -1 }, retry: { attempts: 0 }, foo: 1 });
    expect(error.problems.map(({ path }) => path)).toEqual([
      'foo',
      'pool.max',
      'pool.min',
      'retry.attempts',
    ]);
  });

  it('are frozen', async () => {
    const options: DatabaseModuleOptions = { url: database.url, pool: { max: 2 } };
    const app = await startDatabaseApp(options);
    (options.pool as { max: number }).max = 99;
    expect(app.pools.stats()[0]?.max).toBe(2);
    await app.close();
  });

  it('must name a server in production', async () => {
    const before = process.env['NODE_ENV'];
    process.env['NODE_ENV'] = 'production';
    try {
      const error = await failure(startDatabaseApp({}), ConfigurationError);
      expect(error.message).toMatch(/url = undefined: must be given in production.*DATABASE_URL/);
    } finally {
      process.env['NODE_ENV'] = before;
    }
  });

  it('of two default instances collide, by name', async () => {
    const imports = [0, 1].map(() => DatabaseModule.forRoot({ url: database.url }));
    const error = await failure(
      Test.createTestingModule({ imports }).compile(),
      ConfigurationError,
    );
    expect(error.message).toMatch(/name = "default": is used by 2 calls/);
  });
});

describe('a server that cannot be reached', () => {
  const once = { attempts: 1 };

  it.each<[string, () => DatabaseModuleOptions, RegExp]>([
    [
      'a wrong password',
      () => ({ url: urlWith({ password: 'hunter2' }) }),
      /Check the user and the password/,
    ],
    ['a missing password', () => ({ url: urlWith({ password: '' }) }), /password/],
    ['an unknown user', () => ({ url: urlWith({ username: 'nobody-here' }) }), /Check the user/],
    [
      'an unknown database',
      () => ({ url: urlWith({ pathname: '/nowhere' }) }),
      /Create the database/,
    ],
    [
      'a closed port',
      () => ({ url: urlWith({ port: '1' }), startup: once }),
      /Nothing listens there/,
    ],
    [
      'an unknown host',
      () => ({ url: 'postgresql://u:hunter2@nowhere.invalid/d', startup: once }),
      /does not resolve|name server/,
    ],
    [
      'a server without TLS',
      () => ({ url: database.url, tls: 'verify-full' }),
      /Turn on ssl in the server/,
    ],
  ])('for %s says why and what to do', async (_, options, message) => {
    const error = await failure(startDatabaseApp(options()), ConnectionError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('hunter2');
    expect(error.message).not.toContain(new URL(database.url).password);
    expect(error.safeToRetry).toBe(true);
  });

  it('because it never answers is given up after connectTimeoutMs', async () => {
    const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const options = {
      url: urlWith({ port: String(port) }),
      pool: { connectTimeoutMs: 200 },
      startup: once,
    };
    const error = await failure(startDatabaseApp(options), ConnectionError);
    expect(error.message).toMatch(/no answer within 200 ms/);
    await new Promise((resolve) => server.close(resolve));
  });

  it('is tried again with growing pauses, as often as startup says', async () => {
    const startup = { attempts: 3, initialDelayMs: 20, maxDelayMs: 30 };
    const error = await failure(
      startDatabaseApp({ url: urlWith({ port: '1' }), startup }),
      ConnectionError,
    );
    expect(error.message).toMatch(/could not be reached in 3 attempts/);
  });

  it('does not stop a start that does not wait for it', async () => {
    const startup = { waitForDatabase: false };
    const app = await startDatabaseApp({
      url: urlWith({ port: '1' }),
      startup,
      retry: { attempts: 1 },
    });
    await failure(app.db.query('select 1'), ConnectionError);
    await app.close();
  });
});

describe('databaseOptionsFromEnv', () => {
  const url = 'postgresql://u:hunter2@h:5432/d';

  it('takes the sizes of the place it runs in', () => {
    expect(databaseOptionsFromEnv({ DATABASE_URL: url }).pool).toEqual({ max: 10, min: 2 });
    expect(databaseOptionsFromEnv({ NODE_ENV: 'production' }).pool).toEqual({ max: 50, min: 5 });
    expect(databaseOptionsFromEnv({ RAILWAY_ENVIRONMENT: 'x' })).toMatchObject({
      pool: { max: 50 },
      tls: { mode: 'require' },
    });
    expect(databaseOptionsFromEnv({ DB_PROFILE: 'large' })).toMatchObject({
      pool: { max: 100, min: 20 },
      replicaPool: { max: 50, min: 10 },
    });
  });

  it('reads urls, replicas, parts and numbers', () => {
    expect(
      databaseOptionsFromEnv({
        DATABASE_URL: url,
        DATABASE_REPLICA_URLS: 'a, b',
        DATABASE_REPLICA_URL: 'c',
      }),
    ).toMatchObject({ url, replicas: ['a', 'b', 'c'] });
    const parts = {
      DB_HOST: 'h',
      DB_USER: 'me@x',
      DB_PASSWORD: 'p/w',
      DB_NAME: 'n',
      DB_PORT: '1234',
    };
    expect(databaseOptionsFromEnv(parts).url).toBe('postgresql://me%40x:p%2Fw@h:1234/n');
    const numbers = {
      DB_POOL_MAX: '7',
      DB_POOL_MIN: '1',
      DB_STATEMENT_TIMEOUT_MS: '900',
      DB_MAX_LAG_MS: '5',
      DB_WAIT_FOR_DATABASE: 'false',
    };
    expect(databaseOptionsFromEnv(numbers)).toMatchObject({
      pool: { max: 7, min: 1, statementTimeoutMs: 900 },
      routing: { maxLagMs: 5 },
      startup: { waitForDatabase: false },
    });
  });

  it('names every variable that is wrong', () => {
    const read = (): unknown =>
      databaseOptionsFromEnv({
        DB_POOL_MAX: 'many',
        DB_POOL_MXA: '1',
        DB_TLS: 'maybe',
        DB_PASSWORD: 'hunter2',
      });
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(
      /DB_POOL_MXA.*Did you mean "DB_POOL_MAX"\?[^]*DB_POOL_MAX = NaN[^]*DB_TLS/,
    );
    expect(read).not.toThrow(/hunter2/);
  });
});

describe('instances side by side', () => {
  it('are injected by name, and each has its own pool', async () => {
    const imports = [
      DatabaseModule.forRoot({ url: database.url, pool: { max: 2 } }),
      DatabaseModule.forRoot({ name: 'reports', url: database.url, pool: { max: 3 } }),
      DatabaseModule.forRootAsync({
        name: 'archive',
        useFactory: () => ({ url: database.url, pool: { max: 4 } }),
      }),
    ];
    const app = await Test.createTestingModule({ imports }).compile();
    await app.init();
    const names = ['default', 'reports', 'archive'];
    const services = names.map((name) => app.get<DatabaseService>(getDatabaseToken(name)));
    expect(services.map(({ name }) => name)).toEqual(names);
    for (const service of services)
      expect(await service.one('select 1 as one')).toEqual({ one: 1 });
    const pools = names.map((name) =>
      app.get<DatabasePoolService>(getDatabaseToken(name, DatabasePoolService)),
    );
    expect(pools.map((pool) => pool.stats()[0]?.max)).toEqual([2, 3, 4]);
    await app.close();
  });
});
