// URLs of every form: taken apart, or refused with the mend and without their secrets.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../kernel/errors.js';
import { Checks } from '../kernel/option-checks.js';
import { parseTarget, splitHosts } from './target.js';
import type { ConnectionTarget } from './target.js';
import type { TlsOptions } from './tls.options.js';

const DEFAULTS = { tls: { mode: 'disable' } as TlsOptions, applicationName: 'an app' };

function parse(url: unknown, path = 'url'): ConnectionTarget {
  const checks = new Checks();
  const target = parseTarget(path, url, DEFAULTS, checks);
  checks.throwIfAny();
  return target as ConnectionTarget;
}

function refusal(url: unknown, path?: string): ConfigurationError {
  try {
    parse(url, path);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return error as ConfigurationError;
  }
  throw new Error('it was not refused');
}

describe('a URL', () => {
  it.each<[string, Partial<ConnectionTarget>]>([
    [
      'postgresql://me:secret@db.example.com:6543/shop',
      {
        host: 'db.example.com',
        port: 6_543,
        user: 'me',
        password: 'secret',
        database: 'shop',
        label: 'db.example.com:6543/shop',
      },
    ],
    ['postgres://me@db/shop', { host: 'db', port: 5_432, user: 'me', database: 'shop' }],
    ['POSTGRESQL://me@db/shop', { host: 'db', database: 'shop' }],
    ['postgresql://me:secret@db', { database: 'me' }],
    ['postgresql://me:secret@db/', { database: 'me' }],
    ['postgresql://me@db:/shop', { port: 5_432 }],
    ['postgresql://127.0.0.1:1/d', { host: '127.0.0.1', port: 1 }],
    ['postgresql://me@[::1]:5433/d', { host: '::1', port: 5_433 }],
    ['postgresql://me@[fe80::1]/d', { host: 'fe80::1', port: 5_432 }],
    [
      'postgresql://m%40e:p%2Fw%3A%40%25@db/my%20shop',
      { user: 'm@e', password: 'p/w:@%', database: 'my shop' },
    ],
    ['postgresql://me:%F0%9F%98%80%C3%9F@db/d', { password: '😀ß' }],
    ['postgresql://me:p@ss@db/d', { host: 'db', password: 'p@ss' }],
    ['postgresql://me:p@:5@db/d', { host: 'db', port: 5_432, password: 'p@:5' }],
    ['postgresql://me:100%@db/d', { password: '100%' }],
    ['postgresql://me:a,b@db/d', { host: 'db', password: 'a,b' }],
    [
      'postgresql://me:secret@%2Fvar%2Frun%2Fpostgresql/d',
      { host: '/var/run/postgresql', database: 'd' },
    ],
    ['postgresql:///d?host=/tmp', { host: '/tmp', database: 'd' }],
    [
      'postgresql://me:secret@/d?host=/cloudsql/a:b:c',
      { host: '/cloudsql/a:b:c', user: 'me', password: 'secret', database: 'd' },
    ],
    ['postgresql://me:secret@:5433/d?host=/tmp', { host: '/tmp', port: 5_433 }],
    ['postgresql://me@localhost/d?host=%2Ftmp', { host: '/tmp' }],
    ['postgresql://me@db/d?application_name=worker%201', { applicationName: 'worker 1' }],
    [
      'postgresql://me@db/d',
      { applicationName: 'an app', options: undefined, tls: { mode: 'disable' } },
    ],
    ['postgresql://me@db/d?options=-c%20search_path%3Dshop', { options: '-c search_path=shop' }],
    ['postgresql://me@db/d?sslmode=verify-full', { tls: { mode: 'verify-full' } }],
    ['postgresql://me@db/d?sslmode=disable', { tls: { mode: 'disable' } }],
  ])('%s', (url, parts) => {
    expect(parse(url)).toMatchObject(parts);
  });

  it.each([
    'postgresql://me:hunter2@db:6543/shop',
    'postgresql://me:hunter2@[::1]/shop?sslmode=require',
    'postgresql://me:hunter2@/shop?host=/tmp',
  ])('shows no password in its label: %s', (url) => {
    expect(parse(url).label).not.toContain('hunter2');
  });
});

describe('what the environment adds', () => {
  const before = { PGUSER: process.env['PGUSER'], PGPASSWORD: process.env['PGPASSWORD'] };
  afterEach(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('is the user and the password that the URL leaves out', () => {
    process.env['PGUSER'] = 'from-env';
    process.env['PGPASSWORD'] = 'secret-from-env';
    expect(parse('postgresql://db/d')).toMatchObject({
      user: 'from-env',
      password: 'secret-from-env',
    });
    expect(parse('postgresql://me:mine@db/d')).toMatchObject({ user: 'me', password: 'mine' });
  });

  it('may be nothing', () => {
    delete process.env['PGUSER'];
    delete process.env['PGPASSWORD'];
    expect(parse('postgresql://db/d')).toMatchObject({ user: 'postgres', password: undefined });
  });
});

describe('the root certificate', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'target-'));
    writeFileSync(join(dir, 'root.pem'), 'PEM');
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('is read from the file that the URL names', () => {
    const path = encodeURIComponent(join(dir, 'root.pem'));
    expect(parse(`postgresql://db/d?sslmode=verify-ca&sslrootcert=${path}`).tls).toEqual({
      mode: 'verify-ca',
      ca: 'PEM',
    });
  });

  it('that cannot be read is told', () => {
    const path = encodeURIComponent(join(dir, 'nowhere.pem'));
    expect(refusal(`postgresql://db/d?sslrootcert=${path}`).message).toMatch(
      /url\?sslrootcert = undefined: names a file that cannot be read/,
    );
  });
});

describe('what is refused', () => {
  it.each<[unknown, RegExp]>([
    ['not a url hunter2', /must have the form postgresql:\/\//],
    ['mysql://me:hunter2@db/d', /must have the form/],
    ['https://me:hunter2@db/d', /must have the form/],
    ['postgresql://me:hunter2@db:65536/d', /must have the form/],
    ['postgresql://me:hunter2@db:port/d', /must have the form/],
    ['postgresql://me:hunter#2@db/d', /Encode special characters/],
    ['postgresql://me:hunter/2@db/d', /Encode special characters/],
    ['postgresql:///hunter2', /names no host/],
    ['postgresql://me:hunter2@/d', /names no host/],
    ['', /must have the form/],
    [undefined, /must have the form/],
    [null, /must have the form/],
    [7, /must have the form/],
    [{ url: 'hunter2' }, /must have the form/],
    ['postgresql://me:hunter2@db/d?sslmode=prefer', /fall back to clear text/],
    ['postgresql://me:hunter2@db/d?sslmode=', /must be one of disable, require/],
    ['postgresql://me:hunter2@db/d?sslkey=hunter2', /url\?sslkey = undefined: is not a parameter/],
    ['postgresql://me:hunter2@db/d?pool_size=3&foo=1', /url\?pool_size.*\n.*url\?foo/],
  ])('%j', (url, message) => {
    expect(refusal(url).message).toMatch(message);
  });

  it.each(['url', 'replicas[0]', 'hosts[2].url'])('never shows a URL given as %s', (path) => {
    for (const url of ['hunter2', 'mysql://root:hunter2@db/d', 'postgresql://me:hunter2@/d']) {
      const error = refusal(url, path);
      expect(error.message).not.toContain('hunter2');
      expect(JSON.stringify(error)).not.toContain('hunter2');
    }
  });
});

describe('several hosts', () => {
  it.each([
    ['postgresql://me:pw@a:1,b:2/d', ['postgresql://me:pw@a:1/d', 'postgresql://me:pw@b:2/d']],
    [
      'postgres://a,b,c/d?sslmode=require',
      ['a', 'b', 'c'].map((host) => `postgres://${host}/d?sslmode=require`),
    ],
    ['postgresql://me@[::1]:1,[::2]:2', ['postgresql://me@[::1]:1', 'postgresql://me@[::2]:2']],
    ['postgresql://me:a,b@h1,h2/d', ['postgresql://me:a,b@h1/d', 'postgresql://me:a,b@h2/d']],
    ['postgresql://me:p@ss@h1,h2/d', ['postgresql://me:p@ss@h1/d', 'postgresql://me:p@ss@h2/d']],
    ['POSTGRES://a,b/d', ['POSTGRES://a/d', 'POSTGRES://b/d']],
  ])('%s are one URL each', (url, urls) => {
    expect(splitHosts(url)).toEqual(urls);
    for (const one of urls) expect(() => parse(one)).not.toThrow();
  });

  it.each([
    'postgresql://me:pw@a:1/d',
    'postgresql://me:a,b@a/d',
    'postgresql://a/d?options=-c%20x=1,2',
    'postgresql://a/one,two',
    'not a url, at all',
    '',
  ])('%s is one', (url) => {
    expect(splitHosts(url)).toEqual([url]);
  });
});
