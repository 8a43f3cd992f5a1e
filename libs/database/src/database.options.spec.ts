// Options: partial at the door, whole and frozen inside, every problem told with no secret in it.
import { afterEach, describe, expect, it } from '@jest/globals';
import { resolveOptions } from './database.options.js';
import type { DatabaseModuleOptions } from './database.options.js';
import { STARTUP_DEFAULTS } from './database.startup.js';
import { ConfigurationError } from './kernel/errors.js';
import { POOL_DEFAULTS } from './pool/pool.options.js';
import { BREAKER_DEFAULTS, RETRY_DEFAULTS } from './resilience/resilience.options.js';
import { ROUTING_DEFAULTS } from './routing/routing.options.js';
import { TRANSACTION_DEFAULTS } from './transaction/transaction.options.js';

const URL = 'postgresql://me:hunter2@db/shop';

function problemsOf(options: unknown): string[] {
  try {
    resolveOptions(options as DatabaseModuleOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    const { message, problems } = error as ConfigurationError;
    expect(message).not.toContain('hunter2');
    expect(JSON.stringify(problems)).not.toContain('hunter2');
    return problems.map(({ path, rule }) => `${path}: ${rule}`);
  }
  return [];
}

const env = process.env['NODE_ENV'];
afterEach(() => {
  process.env['NODE_ENV'] = env;
});

describe('defaults', () => {
  it('are whole', () => {
    expect(resolveOptions({ url: URL })).toMatchObject({
      name: 'default',
      pool: POOL_DEFAULTS,
      replicaPool: POOL_DEFAULTS,
      startup: STARTUP_DEFAULTS,
      retry: RETRY_DEFAULTS,
      breaker: BREAKER_DEFAULTS,
      routing: ROUTING_DEFAULTS,
      transaction: TRANSACTION_DEFAULTS,
    });
  });

  it('give way slice by slice, key by key', () => {
    const { pool, retry } = resolveOptions({
      url: URL,
      pool: { max: 7, idleTimeoutMs: undefined } as object,
      retry: { jitter: 0 },
    });
    expect(pool).toEqual({ ...POOL_DEFAULTS, max: 7 });
    expect(retry).toEqual({ ...RETRY_DEFAULTS, jitter: 0 });
  });

  it.each<[string, DatabaseModuleOptions, object, object]>([
    ['a maximum below it', { pool: { max: 1 } }, { max: 1, min: 1 }, { max: 1, min: 1 }],
    ['a maximum of its own', { pool: { max: 9, min: 9 } }, { min: 9 }, { max: 9, min: 9 }],
    [
      'a smaller pool of replicas',
      { pool: { max: 50, min: 20 }, replicaPool: { max: 5 } },
      { max: 50, min: 20 },
      { max: 5, min: 5 },
    ],
    [
      'a larger one',
      { pool: { max: 4 }, replicaPool: { max: 40, min: 3 } },
      { max: 4, min: 2 },
      { max: 40, min: 3 },
    ],
  ])('of the minimum follow %s', (_, options, pool, replicaPool) => {
    expect(resolveOptions({ url: URL, ...options })).toMatchObject({ pool, replicaPool });
  });
});

describe('resolved options', () => {
  it('are frozen, and their own', () => {
    const pool = { max: 3 };
    const resolved = resolveOptions({ url: URL, pool });
    pool.max = 99;
    expect(resolved.pool.max).toBe(3);
    for (const part of [
      resolved,
      resolved.nodes,
      resolved.nodes[0],
      resolved.pool,
      resolved.retry,
      resolved.routing,
    ])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => ((resolved.pool as { max: number }).max = 1)).toThrow(TypeError);
    expect(Object.isFrozen(POOL_DEFAULTS)).toBe(true);
  });
});

describe('servers', () => {
  const named = (options: DatabaseModuleOptions): string[] =>
    resolveOptions(options).nodes.map(
      ({ name, declaredRole, target }) => `${name} ${declaredRole} ${target.label}`,
    );

  it.each<[string, DatabaseModuleOptions, string[]]>([
    ['a url is the primary', { url: URL }, ['primary primary db:5432/shop']],
    [
      'replicas are texts or objects',
      { url: URL, replicas: ['postgresql://r1/shop', { url: 'postgresql://r2/shop' }] },
      [
        'primary primary db:5432/shop',
        'replica-1 replica r1:5432/shop',
        'replica-2 replica r2:5432/shop',
      ],
    ],
    [
      'a url of several hosts says nothing about their roles',
      { url: 'postgresql://me:hunter2@a,b:6000/shop', replicas: ['postgresql://c/shop'] },
      ['node-1 auto a:5432/shop', 'node-2 auto b:6000/shop', 'replica-1 replica c:5432/shop'],
    ],
    [
      'hosts may say it',
      {
        hosts: [
          { url: 'postgresql://a/d' },
          { url: 'postgresql://b/d', role: 'primary' },
          { url: 'postgresql://c/d', role: 'replica' },
          { url: 'postgresql://d/d', role: 'auto' },
        ],
      },
      [
        'node-1 auto a:5432/d',
        'primary primary b:5432/d',
        'replica-1 replica c:5432/d',
        'node-2 auto d:5432/d',
      ],
    ],
    ['none is a server of our own, in development', {}, []],
    [
      'an empty list of replicas is none',
      { url: URL, replicas: [] },
      ['primary primary db:5432/shop'],
    ],
  ])('%s', (_, options, nodes) => {
    expect(named(options)).toEqual(nodes);
  });

  it.each<[string, unknown, string[]]>([
    [
      'a replica of another kind',
      { url: URL, replicas: ['mysql://root:hunter2@r/d'] },
      ['replicas[0]: must have the form postgresql://user:password@host:5432/database'],
    ],
    [
      'replicas as one text',
      { url: URL, replicas: 'postgresql://me:hunter2@r/d' },
      ['replicas: must be a list'],
    ],
    [
      'a replica that is nothing',
      { url: URL, replicas: [null] },
      ['replicas[0]: must have the form postgresql://user:password@host:5432/database'],
    ],
    [
      'a replica with a role',
      { url: URL, replicas: [{ url: URL, role: 'replica' }] },
      ['replicas[0].role: is not an option'],
    ],
    ['hosts as one text', { hosts: 'postgresql://me:hunter2@r/d' }, ['hosts: must be a list']],
    [
      'hosts as texts',
      { hosts: ['postgresql://me:hunter2@r/d'] },
      [
        'hosts[0]: must be an object of options',
        'hosts[0].url: must have the form postgresql://user:password@host:5432/database',
      ],
    ],
    [
      'a host that is nothing',
      { hosts: [null] },
      [
        'hosts[0]: must be an object of options',
        'hosts[0].url: must have the form postgresql://user:password@host:5432/database',
      ],
    ],
    [
      'a misspelt role',
      { hosts: [{ url: URL, rol: 'primary' }] },
      ['hosts[0].rol: is not an option'],
    ],
    [
      'an unknown role',
      { hosts: [{ url: URL, role: 'master' }] },
      ['hosts[0].role: must be one of "auto", "primary", "replica"'],
    ],
    [
      'two primaries',
      {
        hosts: [
          { url: URL, role: 'primary' },
          { url: URL, role: 'primary' },
        ],
      },
      ['hosts: must not declare more than one primary'],
    ],
    [
      'hosts beside url',
      { url: URL, hosts: [{ url: URL }] },
      ['hosts: cannot stand beside url or replicas'],
    ],
    ['replicas alone', { replicas: ['postgresql://r/d'] }, ['url: must be given beside replicas']],
    [
      'a url that is no text',
      { url: { href: 'hunter2' } },
      ['url: must have the form postgresql://user:password@host:5432/database'],
    ],
  ])('%s: is told', (_, options, problems) => {
    expect(problemsOf(options)).toEqual(expect.arrayContaining(problems));
  });

  it('must be named in production', () => {
    process.env['NODE_ENV'] = 'production';
    expect(problemsOf({})).toEqual(['url: must be given in production']);
    expect(problemsOf({ replicas: [URL] })).toEqual(['url: must be given in production']);
    expect(problemsOf({ hosts: [] })).toEqual(['url: must be given in production']);
    expect(problemsOf({ url: URL })).toEqual([]);
  });
});

describe('TLS', () => {
  const modeOf = (options: DatabaseModuleOptions): unknown =>
    resolveOptions({ url: URL, ...options }).nodes[0]?.target.tls;

  it.each<[string | undefined, DatabaseModuleOptions, object]>([
    [undefined, {}, { mode: 'disable' }],
    ['production', {}, { mode: 'verify-full' }],
    ['production', { tls: false }, { mode: 'disable' }],
    [undefined, { tls: true }, { mode: 'verify-full' }],
    [undefined, { tls: 'require' }, { mode: 'require' }],
    [undefined, { tls: { mode: 'verify-ca', ca: 'PEM' } }, { mode: 'verify-ca', ca: 'PEM' }],
    ['production', { tls: { ca: 'PEM' } }, { mode: 'verify-full', ca: 'PEM' }],
    ['production', { url: `${URL}?sslmode=disable` }, { mode: 'disable' }],
    [
      undefined,
      { url: `${URL}?sslmode=require`, tls: { ca: 'PEM' } },
      { mode: 'require', ca: 'PEM' },
    ],
  ])('in %s with %j is %j', (place, options, tls) => {
    process.env['NODE_ENV'] = place ?? 'test';
    expect(modeOf(options)).toEqual(tls);
  });

  it.each<[unknown, string]>([
    ['prefer', 'tls.mode: must be one of "disable", "require", "verify-ca", "verify-full"'],
    [null, 'tls: must be an object of options'],
    [7, 'tls: must be an object of options'],
    [{ mode: 'disable', rejectUnauthorized: false }, 'tls.rejectUnauthorized: is not an option'],
  ])('%j is told', (tls, problem) => {
    expect(problemsOf({ url: URL, tls })).toEqual([problem]);
  });
});

describe('problems', () => {
  it.each<[string, unknown, string[]]>([
    [
      'an unknown option',
      { url: URL, conectionString: 'hunter2' },
      ['conectionString: is not an option'],
    ],
    [
      'an unknown option of a slice',
      { url: URL, pool: { password: 'hunter2' } },
      ['pool.password: is not an option'],
    ],
    [
      'a connection string of pg',
      { connectionString: URL },
      ['connectionString: is not an option'],
    ],
    ['a slice that is a text', { url: URL, pool: URL }, ['pool: must be an object of options']],
    ['a name that is none', { url: URL, name: '' }, ['name: must be a text that is not empty']],
    [
      'a size below its least',
      { url: URL, pool: { max: 0, min: 0 } },
      ['pool.max: must be a whole number 1 to 10000'],
    ],
    [
      'a fraction',
      { url: URL, pool: { max: 2.5 } },
      ['pool.max: must be a whole number 1 to 10000'],
    ],
    [
      'a minimum above the maximum',
      { url: URL, pool: { max: 2, min: 3 } },
      ['pool.min: must not be greater than pool.max (2)'],
    ],
    [
      'the same for replicas',
      { url: URL, replicaPool: { max: 2, min: 3 } },
      ['replicaPool.min: must not be greater than replicaPool.max (2)'],
    ],
    [
      'a time that no timer takes',
      { url: URL, pool: { idleTimeoutMs: 3_000_000_000 } },
      ['pool.idleTimeoutMs: must be a whole number 1 to 2147483647'],
    ],
    [
      'no attempts',
      { url: URL, startup: { attempts: 0 } },
      ['startup.attempts: must be a whole number 1 to 1000'],
    ],
    [
      'a ratio beyond 1',
      { url: URL, breaker: { failureRatio: 1.1 } },
      ['breaker.failureRatio: must be a number 0.01 to 1'],
    ],
    [
      'an unknown consistency',
      { url: URL, routing: { consistency: 'strong' } },
      ['routing.consistency: must be one of "primary", "session", "eventual"'],
    ],
    [
      'an unknown isolation',
      { url: URL, transaction: { isolation: 'chaos' } },
      ['transaction.isolation: must be one of "read committed", "repeatable read", "serializable"'],
    ],
  ])('%s is told', (_, options, problems) => {
    expect(problemsOf(options)).toEqual(problems);
  });

  it('are told all at once', () => {
    const options = { url: 'hunter2', name: '', pool: { max: 0 }, retry: { attempts: 0 }, foo: 1 };
    expect(problemsOf(options).map((problem) => problem.split(':')[0])).toEqual([
      'foo',
      'name',
      'pool.max',
      'retry.attempts',
      'url',
    ]);
  });
});
