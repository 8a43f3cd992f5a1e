// The embedded server among processes: killed ones, signalled ones, several at once.
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { EmbeddedPostgres } from '../../libs/database/src/embedded/index.js';
import { sql } from '../support/sql.js';
import { waitFor } from '../support/wait-for.js';
import { ChildApp } from './child-app.js';
import type { Ending } from './child-app.js';
import { serverEnds, useDataFolders } from './data-folders.js';

const newFolder = useDataFolders();
const children: ChildApp[] = [];
let dataDir: string;
/** A PATH on which setpriv is not found, as on macOS: the process has to end the server itself. */
let plainPath: string;

function spawnApp(
  folder: string,
  ending?: Ending,
  options?: { readonly plain: boolean },
): ChildApp {
  const env = options?.plain === true ? { PATH: plainPath } : {};
  const child = ChildApp.spawn(folder, ending, { env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

beforeAll(async () => {
  dataDir = newFolder();
  plainPath = join(dirname(dataDir), 'bin');
  await mkdir(plainPath);
  await symlink(process.execPath, join(plainPath, 'node'));
  const server = await EmbeddedPostgres.start({ dataDir });
  await server.stop();
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await child.ended();
  }
  // Without setpriv a killed process leaves its server; the next start ends it.
  const server = await EmbeddedPostgres.start({ dataDir });
  await server.stop();
});

describe.each([{ plain: false }, { plain: true }])(
  'the process ends (without setpriv: $plain)',
  (options) => {
    it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
      'by %s: the server ends too',
      async (signal) => {
        const app = spawnApp(dataDir, 'stay', options);
        await app.started();
        app.kill(signal);
        await app.ended();
        await serverEnds(dataDir);
      },
    );

    it.each(['exit', 'return', 'throw'] as const)('by %s: the server ends too', async (ending) => {
      const app = spawnApp(dataDir, ending, options);
      await app.started();
      await app.ended();
      await serverEnds(dataDir);
    });

    it('after draining: the server answers until the app stops it', async () => {
      const app = spawnApp(dataDir, 'drain', options);
      await app.started();
      app.kill('SIGTERM');
      await app.ended();
      expect(app.find('drained')).toEqual([{ answer: 1 }]);
      await serverEnds(dataDir);
    });

    it('by SIGKILL: the next start finds the data', async () => {
      const app = spawnApp(dataDir, 'stay', options);
      const { url, pid } = await app.started();
      await sql(url, 'create table if not exists written (word text)');
      await sql(url, `truncate written`);
      await sql(url, `insert into written values ('before the kill')`);
      app.kill('SIGKILL');
      await app.ended();
      const server = await EmbeddedPostgres.start({ dataDir });
      try {
        expect(server.pid).not.toBe(pid);
        expect(server.isBorrowed).toBe(false);
        expect(await sql(server.url, 'select word from written')).toEqual([
          { word: 'before the kill' },
        ]);
      } finally {
        await server.stop();
      }
    });
  },
);

describe('several processes', () => {
  it('that start at once on an empty folder share one server', async () => {
    const folder = newFolder();
    const apps = [1, 2, 3].map(() => spawnApp(folder));
    const started = await Promise.all(apps.map((app) => app.started()));
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(1);
    expect(started.filter(({ isBorrowed }) => !isBorrowed)).toHaveLength(1);
    const answers = await Promise.all(started.map(({ url }) => sql(url, 'select 1 as one')));
    expect(answers).toEqual([[{ one: 1 }], [{ one: 1 }], [{ one: 1 }]]);
    for (const app of apps) app.kill('SIGKILL');
    await serverEnds(folder);
  });

  it('outlive the one that started the server: another takes it over on the same port', async () => {
    const owner = spawnApp(dataDir);
    const { pid, port } = await owner.started();
    const server = await EmbeddedPostgres.start({ dataDir });
    try {
      expect(server.isBorrowed).toBe(true);
      expect(server.pid).toBe(pid);
      owner.kill('SIGKILL');
      await waitFor(() => !server.isBorrowed, { describe: 'the take-over' });
      expect(server.port).toBe(port);
      expect(await sql(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    } finally {
      await server.stop();
    }
    await serverEnds(dataDir);
  });

  it('leave the server to its owner when they stop', async () => {
    const owner = spawnApp(dataDir);
    const { url } = await owner.started();
    const server = await EmbeddedPostgres.start({ dataDir });
    await server.stop();
    expect(await sql(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('a postmaster.pid from before', () => {
  it('whose process id belongs to a stranger now does not stop the start', async () => {
    const file = join(dataDir, 'pgdata', 'postmaster.pid');
    const lines = [process.pid, dirname(file), 1, 20_000, '', '127.0.0.1', '1 1', 'ready   '];
    await writeFile(file, `${lines.join('\n')}\n`);
    const server = await EmbeddedPostgres.start({ dataDir });
    await server.stop();
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
