// Options from environment variables: sizes by place, single variables before them, every wrong one named.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databaseOptionsFromEnv } from './database.environment.js';
import { resolveOptions } from './database.options.js';
import { ConfigurationError } from './kernel/errors.js';

type Environment = Record<string, string | undefined>;

function problemsOf(env: Environment): string[] {
  try {
    databaseOptionsFromEnv(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    const { message, problems } = error as ConfigurationError;
    expect(message).not.toContain('hunter2');
    return problems.map(({ path, rule }) => `${path}: ${rule}`);
  }
  return [];
}

describe('profiles', () => {
  it.each<[Environment, object]>([
    [{}, { pool: { max: 10, min: 2 } }],
    [{ NODE_ENV: 'development' }, { pool: { max: 10, min: 2 } }],
    [{ NODE_ENV: 'test' }, { pool: { max: 10, min: 2 } }],
    [{ NODE_ENV: 'production' }, { pool: { max: 50, min: 5 } }],
    [{ RAILWAY_ENVIRONMENT: 'staging' }, { pool: { max: 50, min: 5 } }],
    [{ DB_PROFILE: 'large' }, { pool: { max: 100, min: 20 }, replicaPool: { max: 50, min: 10 } }],
    [{ DB_PROFILE: 'development', NODE_ENV: 'production' }, { pool: { max: 10, min: 2 } }],
    [{ DB_PROFILE: 'production' }, { pool: { max: 50, min: 5 } }],
  ])('%j is %j', (env, sizes) => {
    expect(databaseOptionsFromEnv(env)).toMatchObject(sizes);
  });

  it('give way to single variables', () => {
    const env = { NODE_ENV: 'production', DB_POOL_MAX: '7', DB_ACQUIRE_TIMEOUT_MS: '300' };
    expect(databaseOptionsFromEnv(env).pool).toEqual({ max: 7, min: 5, acquireTimeoutMs: 300 });
  });

  it('have a minimum that follows a smaller maximum, unless it is said', () => {
    expect(databaseOptionsFromEnv({ DB_POOL_MAX: '1' }).pool).toEqual({ max: 1, min: 1 });
    const both = { DB_POOL_MAX: '1', DB_POOL_MIN: '4' };
    expect(databaseOptionsFromEnv(both).pool).toEqual({ max: 1, min: 4 });
    expect(() => resolveOptions(databaseOptionsFromEnv(both))).toThrow(/pool\.min = 4/);
  });

  it('give options that the module takes', () => {
    for (const profile of ['development', 'production', 'large']) {
      const env = { DB_PROFILE: profile, DATABASE_URL: 'postgresql://db/d' };
      expect(() => resolveOptions(databaseOptionsFromEnv(env))).not.toThrow();
    }
  });
});

describe('the server', () => {
  it.each<[Environment, string | undefined]>([
    [{ DATABASE_URL: 'postgresql://a/d', DB_HOST: 'ignored' }, 'postgresql://a/d'],
    [{ DATABASE_URL: '', DB_HOST: 'db' }, 'postgresql://postgres@db:5432/postgres'],
    [
      { DB_HOST: 'db', DB_USER: 'me', DB_PASSWORD: 'a b@/:%', DB_NAME: 'my shop', DB_PORT: '6000' },
      'postgresql://me:a%20b%40%2F%3A%25@db:6000/my%20shop',
    ],
    [{ DB_HOST: 'db', DB_USER: 'me' }, 'postgresql://me@db:5432/me'],
    [{ DB_HOST: '::1', DB_USER: 'me' }, 'postgresql://me@[::1]:5432/me'],
    [{ DB_HOST: '[::1]', DB_USER: 'me' }, 'postgresql://me@[::1]:5432/me'],
    [
      { DB_HOST: '/var/run/postgresql', DB_USER: 'me' },
      'postgresql://me@%2Fvar%2Frun%2Fpostgresql:5432/me',
    ],
    [{ DB_HOST: 'a,b', DB_USER: 'me' }, 'postgresql://me@a:5432,b:5432/me'],
    [{ DB_HOST: '' }, undefined],
    [{ DB_USER: 'me', DB_NAME: 'shop' }, undefined],
    [{}, undefined],
  ])('%j is %s', (env, url) => {
    expect(databaseOptionsFromEnv(env).url).toBe(url);
    if (url !== undefined) expect(() => resolveOptions({ url })).not.toThrow();
  });

  it('of parts comes out of the URL as it went in', () => {
    const env = { DB_HOST: '/tmp', DB_USER: 'me', DB_PASSWORD: 'p,w@/:%25', DB_NAME: 'shop' };
    const [node] = resolveOptions(databaseOptionsFromEnv(env)).nodes;
    expect(node?.target).toMatchObject({
      host: '/tmp',
      user: 'me',
      password: 'p,w@/:%25',
      database: 'shop',
    });
  });

  it.each<[Environment, string[]]>([
    [{}, []],
    [{ DATABASE_REPLICA_URL: 'a' }, ['a']],
    [{ DATABASE_REPLICA_URLS: 'a,b' }, ['a', 'b']],
    [{ DATABASE_REPLICA_URLS: ' a ,\n b ', DATABASE_REPLICA_URL: 'c' }, ['a', 'b', 'c']],
    [{ DATABASE_REPLICA_URLS: '', DATABASE_REPLICA_URL: '' }, []],
  ])('has the replicas of %j', (env, replicas) => {
    expect(databaseOptionsFromEnv(env).replicas).toEqual(replicas);
  });
});

describe('TLS', () => {
  let path: string;
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'environment-'));
    path = join(dir, 'root.pem');
    writeFileSync(path, 'PEM of a file');
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('is what DB_TLS and DB_TLS_CA say, as text or as a file', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nabc';
    expect(databaseOptionsFromEnv({}).tls).toBeUndefined();
    expect(databaseOptionsFromEnv({ DB_TLS: 'require' }).tls).toMatchObject({ mode: 'require' });
    expect(databaseOptionsFromEnv({ DB_TLS_CA: pem }).tls).toEqual({
      mode: 'verify-full',
      ca: pem,
    });
    expect(databaseOptionsFromEnv({ DB_TLS: 'verify-ca', DB_TLS_CA: path }).tls).toEqual({
      mode: 'verify-ca',
      ca: 'PEM of a file',
    });
  });

  it('of a managed platform is encrypted, and verified where there is a certificate', () => {
    const platform = { RAILWAY_ENVIRONMENT: 'production' };
    expect(databaseOptionsFromEnv(platform).tls).toMatchObject({ mode: 'require' });
    expect(databaseOptionsFromEnv({ ...platform, DB_TLS_CA: path }).tls).toMatchObject({
      mode: 'verify-full',
    });
    expect(databaseOptionsFromEnv({ ...platform, DB_TLS: 'disable' }).tls).toMatchObject({
      mode: 'disable',
    });
  });
});

describe('the rest', () => {
  it('is passed on where it is said, and left to its default where not', () => {
    const env = {
      DB_APPLICATION_NAME: 'worker',
      DB_MAX_LAG_MS: '500',
      DB_WAIT_FOR_DATABASE: 'false',
      DB_STATEMENT_TIMEOUT_MS: '900',
      DB_CONNECT_TIMEOUT_MS: '800',
      DB_IDLE_TIMEOUT_MS: '700',
    };
    expect(databaseOptionsFromEnv(env)).toMatchObject({
      applicationName: 'worker',
      routing: { maxLagMs: 500 },
      startup: { waitForDatabase: false },
      pool: { statementTimeoutMs: 900, connectTimeoutMs: 800, idleTimeoutMs: 700 },
    });
    const nothing = databaseOptionsFromEnv({ DB_POOL_MAX: '', DB_WAIT_FOR_DATABASE: undefined });
    expect(Object.keys(nothing).toSorted()).toEqual(['pool', 'replicas', 'url']);
  });
});

describe('problems', () => {
  it.each<[Environment, string[]]>([
    [{ DB_POOL_MAX: 'many' }, ['DB_POOL_MAX: must be a whole number >= 0']],
    [{ DB_POOL_MIN: '1.5' }, ['DB_POOL_MIN: must be a whole number >= 0']],
    [{ DB_MAX_LAG_MS: '-1' }, ['DB_MAX_LAG_MS: must be a whole number >= 0']],
    [
      { DB_TLS: 'prefer' },
      ['DB_TLS: must be one of "disable", "require", "verify-ca", "verify-full"'],
    ],
    [{ DB_TLS_CA: '/nowhere.pem' }, ['DB_TLS_CA: is neither a certificate nor a readable file']],
    [{ DB_PROFILE: 'huge' }, ['DB_PROFILE: must be one of "development", "production", "large"']],
    [
      { DB_PROFILE: 'toString' },
      ['DB_PROFILE: must be one of "development", "production", "large"'],
    ],
    [{ DB_WAIT_FOR_DATABASE: 'yes' }, ['DB_WAIT_FOR_DATABASE: must be one of "true", "false"']],
    [{ DB_HOST: 'db', DB_PORT: 'hunter' }, ['DB_PORT: must be a whole number 1 to 65535']],
    [{ DB_PASWORD: 'hunter2' }, ['DB_PASWORD: is not an option']],
    [{ DB_URL: 'postgresql://me:hunter2@db/d' }, ['DB_URL: is not an option']],
    [{ DB_CONNECTION: 'postgresql://me:hunter2@db/d' }, ['DB_CONNECTION: is not an option']],
  ])('%j', (env, problems) => {
    expect(problemsOf(env)).toEqual(problems);
  });

  it('are told all at once', () => {
    const env = { DB_POOL_MAX: 'x', DB_POOL_MIN: 'y', DB_TLS: 'z', DB_WHAT: '1' };
    expect(problemsOf(env).map((problem) => problem.split(':')[0])).toEqual([
      'DB_WHAT',
      'DB_POOL_MAX',
      'DB_POOL_MIN',
      'DB_TLS',
    ]);
  });
});
