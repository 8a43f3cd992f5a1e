// TLS on a real server: who is trusted, and that a query is cancelled over TLS too.
import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  DatabaseError,
  QueryAbortedError,
  QueryTimeoutError,
} from 'nestjs-database';
import type { TlsOptions } from 'nestjs-database';
import { newAuthority } from '../support/certificates.js';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { startCluster, waitFor } from '../support/postgres.js';
import type { Cluster } from '../support/postgres.js';
import { findTestBinaries, makeRunDir } from '../support/test-binaries.js';

const authority = newAuthority('Test Authority');
let cluster: Cluster;
let folder: string;
let app: DatabaseApp | undefined;

beforeAll(async () => {
  folder = await makeRunDir();
  // For a name alone: the address that a CancelRequest goes to is not in it.
  const { cert, key } = authority.issueFor(['localhost']);
  const { user } = await findTestBinaries();
  for (const [name, text] of Object.entries({ cert, key })) {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid);
  }
  cluster = await startCluster({
    settings: {
      ssl: true,
      ssl_cert_file: join(folder, 'cert'),
      ssl_key_file: join(folder, 'key'),
    },
  });
});
afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await app?.close();
  app = undefined;
});
useLeakCheck();

const urlAt = (host: string): string => cluster.primary.url().replace('127.0.0.1', host);

async function connect(tls: Partial<TlsOptions>, host = 'localhost'): Promise<DatabaseApp> {
  const pool = { max: 1, min: 0 };
  app = await startDatabaseApp({ url: urlAt(host), tls, pool, startup: { attempts: 1 } });
  return app;
}

describe('a connection', () => {
  it.each(['verify-full', 'verify-ca', 'require'] as const)(
    'is encrypted with %s',
    async (mode) => {
      const { db } = await connect({ mode, ...(mode === 'require' ? {} : { ca: authority.cert }) });
      expect(
        await db.one('select ssl, version from pg_stat_ssl where pid = pg_backend_pid()'),
      ).toEqual({ ssl: true, version: expect.stringMatching(/^TLSv1\.[23]$/) });
    },
  );

  it('to another name than that of the certificate is refused, with the mend', async () => {
    const connecting = connect({ mode: 'verify-full', ca: authority.cert }, '127.0.0.1');
    const error = await failure(connecting, ConnectionError);
    expect(error).toMatchObject({ transient: false });
    expect(error.message).toMatch(/Connect by the name in the certificate, or set tls\.servername/);
  });

  it('to another name is verified by tls.servername, or not at all with verify-ca', async () => {
    const ca = authority.cert;
    const named = await connect({ mode: 'verify-full', ca, servername: 'localhost' }, '127.0.0.1');
    expect(await named.db.one('select 1 as one')).toEqual({ one: 1 });
    await named.close();
    const unnamed = await connect({ mode: 'verify-ca', ca }, '127.0.0.1');
    expect(await unnamed.db.one('select 1 as one')).toEqual({ one: 1 });
  });

  it.each(['verify-full', 'verify-ca'] as const)(
    'to a server of another authority is refused with %s, with the mend',
    async (mode) => {
      const ca = newAuthority('Somebody Else').cert;
      const error = await failure(connect({ mode, ca }), ConnectionError);
      expect(error).toMatchObject({ transient: false });
      expect(error.message).toMatch(/Pass the root certificate as tls\.ca/);
    },
  );
});

describe.each([
  ['verify-full', 'localhost', {}],
  ['verify-full', '127.0.0.1', { servername: 'localhost' }],
  ['verify-ca', '127.0.0.1', {}],
  ['require', '127.0.0.1', {}],
] as const)('a cancel over TLS, %s to %s', (mode, host, extra) => {
  const own = async (): Promise<DatabaseApp> =>
    connect({ mode, ...(mode === 'require' ? {} : { ca: authority.cert }), ...extra }, host);

  const running = (mark: string): Promise<unknown[]> =>
    cluster.primary.sql(
      `select pid from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`,
      [`%${mark}%`],
    );

  it.each(['timeout', 'signal'] as const)(
    'by %s ends it on the server, and the connection goes on',
    async (by) => {
      const { db } = await own();
      const pid = async (): Promise<unknown> =>
        (await db.one('select pg_backend_pid() as pid'))['pid'];
      const before = await pid();
      const mark = `slow by ${by} ${mode} ${host}`;
      const abort = new AbortController();
      const slow = db.query(`select pg_sleep(30) /* ${mark} */`, [], {
        ...(by === 'timeout' ? { timeoutMs: 300 } : { signal: abort.signal, timeoutMs: 30_000 }),
      });
      const failing = failure<DatabaseError>(
        slow,
        by === 'timeout' ? QueryTimeoutError : QueryAbortedError,
      );
      await waitFor(async () => (await running(mark)).length === 1, { describe: 'it to run' });
      abort.abort();
      await failing;
      await waitFor(async () => (await running(mark)).length === 0, {
        describe: 'the server to stop it',
        timeoutMs: 900,
      });
      // Given up, the connection would be another one.
      expect(await pid()).toBe(before);
    },
  );
});
