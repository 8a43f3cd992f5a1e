// The embedded server in one process: first start, later starts, sharing, stopping.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedPostgres } from '../../libs/database/src/embedded/index.js';
import type { EmbeddedPostgresOptions } from '../../libs/database/src/embedded/index.js';
import { findProjectDir, stateDirOf } from '../../libs/database/src/embedded/data-dir.js';
import { isPortFree } from '../../libs/database/src/embedded/free-port.js';
import { isProcessAlive } from '../../libs/database/src/embedded/postmaster.js';
import { sql } from '../support/sql.js';
import { useDataFolders } from './data-folders.js';

const newFolder = useDataFolders();
const running: EmbeddedPostgres[] = [];

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await EmbeddedPostgres.start(options);
  running.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

describe('the default folder', () => {
  it('is in the project, or where the server of root can enter', () => {
    const here = stateDirOf('/some/where/shop');
    const expected =
      process.getuid?.() === 0
        ? /^\/var\/lib\/nestjs-database\/shop-[0-9a-f]{8}$/
        : /^\/some\/where\/shop\/\.nestjs-database$/;
    expect(here).toMatch(expected);
    expect(findProjectDir('/nothing/is/here')).toBe('/nothing/is/here');
    expect(findProjectDir(join(findProjectDir(), 'test', 'embedded'))).toBe(findProjectDir());
  });
});

describe('the first start', () => {
  it('makes a PostgreSQL 18 with the database, UTF-8, and pg_stat_statements', async () => {
    const steps: string[] = [];
    const server = await start({
      dataDir: newFolder(),
      database: 'müsli shop',
      onProgress: (step) => steps.push(step),
    });
    const [row] = await sql(
      server.url,
      `select current_database() as name, upper('é') as upper, current_setting('server_version_num')::int / 10000 as major,
              (select count(*)::int from pg_stat_statements) > 0 as counts`,
    );
    expect(row).toEqual({ name: 'müsli shop', upper: 'É', major: 18, counts: true });
    expect(server.version).toMatch(/^18\./);
    expect(server.isBorrowed).toBe(false);
    expect(steps).toEqual([
      `creating the data directory of PostgreSQL ${server.version}`,
      'starting the server',
      `ready on 127.0.0.1:${server.port}`,
    ]);
  });

  it('listens on the loopback address alone and lets nobody in without the password', async () => {
    const server = await start({ dataDir: newFolder() });
    const [row] = await sql(
      server.url,
      `select current_setting('listen_addresses') as tcp, current_setting('unix_socket_directories') as sockets`,
    );
    expect(row).toEqual({ tcp: '127.0.0.1', sockets: '' });
    const wrong = new URL(server.url);
    wrong.password = 'wrong';
    await expect(sql(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('keeps the password in a file for its user, and out of everything else', async () => {
    const dataDir = newFolder();
    const server = await start({ dataDir });
    const file = join(dataDir, 'password');
    const password = await readFile(file, 'utf8');
    expect(password.length).toBeGreaterThanOrEqual(32);
    expect(server.url).toContain(password);
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect((await stat(join(dataDir, 'pgdata'))).mode & 0o077).toBe(0);
    expect(inspect(server, { depth: null, showHidden: true })).not.toContain(password);
    expect(JSON.stringify(server)).not.toContain(password);
    expect(await readFile(join(dataDir, 'server.log'), 'utf8')).not.toContain(password);
  });

  it('takes settings of the caller over its own', async () => {
    const settings = { max_connections: 33, work_mem: '7MB', application_name: `o'clock \\ x` };
    const server = await start({ dataDir: newFolder(), settings });
    const [row] = await sql(
      server.url,
      `select current_setting('max_connections') as max, current_setting('work_mem') as mem,
              (select boot_val <> reset_val from pg_settings where name = 'max_connections') as changed`,
    );
    expect(row).toEqual({ max: '33', mem: '7MB', changed: true });
  });
});

describe('a later start', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = newFolder();
  });

  it('finds the data again, on the same port', async () => {
    const first = await start({ dataDir });
    await sql(first.url, `create table kept as select 'still here' as word`);
    await first.stop();
    const second = await start({ dataDir });
    expect(await sql(second.url, 'select word from kept')).toEqual([{ word: 'still here' }]);
    expect(second.port).toBe(first.port);
    expect(second.pid).not.toBe(first.pid);
  });

  it('creates a database that is asked for later, and keeps what ALTER SYSTEM has set', async () => {
    const first = await start({ dataDir });
    await sql(first.url, `alter system set work_mem = '9MB'`);
    await first.stop();
    const second = await start({ dataDir, database: 'second' });
    const [row] = await sql(
      second.url,
      `select current_database() as name, current_setting('work_mem') as mem`,
    );
    expect(row).toEqual({ name: 'second', mem: '9MB' });
  });

  it('works after the server itself was killed', async () => {
    const first = await start({ dataDir });
    await sql(first.url, 'create table survivor as select 1 as one');
    process.kill(first.pid, 'SIGKILL');
    await first.stop();
    const second = await start({ dataDir });
    expect(await sql(second.url, 'select one from survivor')).toEqual([{ one: 1 }]);
  });
});

describe('sharing in one process', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = newFolder();
  });

  it('makes one server of many starts at once, and ends it with the last stop', async () => {
    const names = ['a', 'b', 'a', 'c'];
    const servers = await Promise.all(names.map((database) => start({ dataDir, database })));
    expect(new Set(servers.map(({ pid }) => pid)).size).toBe(1);
    const [last, ...others] = servers as [EmbeddedPostgres, ...EmbeddedPostgres[]];
    await Promise.all(others.map((server) => server.stop()));
    expect(await sql(last.url, 'select current_database() as name')).toEqual([{ name: 'a' }]);
    await last.stop();
    expect(isProcessAlive(last.pid)).toBe(false);
  });

  it('starts anew while the former server is still ending', async () => {
    const first = await start({ dataDir });
    const ending = first.stop();
    const second = await start({ dataDir });
    await ending;
    expect(second.pid).not.toBe(first.pid);
    expect(await sql(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('stop', () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = newFolder();
  });

  it('ends the server and frees its port, however often it is called', async () => {
    const server = await start({ dataDir });
    const both = [server.stop(), server.stop()];
    expect(both[0]).toBe(both[1]);
    await Promise.all(both);
    await server.stop();
    expect(isProcessAlive(server.pid)).toBe(false);
    expect(await isPortFree(server.port)).toBe(true);
  });

  it('is bounded when the server does not listen to signals', async () => {
    const server = await start({ dataDir, stopTimeoutMs: 300 });
    process.kill(server.pid, 'SIGSTOP');
    await server.stop();
    expect(isProcessAlive(server.pid)).toBe(false);
  });

  it('does not wait for a client that stays connected', async () => {
    const server = await start({ dataDir });
    const stuck = sql(server.url, 'select pg_sleep(60)').catch((error: unknown) => error);
    await server.stop();
    expect(isProcessAlive(server.pid)).toBe(false);
    expect(await stuck).toBeInstanceOf(Error);
  });
});
