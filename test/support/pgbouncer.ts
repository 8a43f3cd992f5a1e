// PgBouncer in front of a test server. No npm package carries it: the suites that need it are a command of their own.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';
import { sql } from './sql.js';
import { findTestBinaries, makeRunDir } from './test-binaries.js';
import { waitFor } from './wait-for.js';

/** What to start. */
export interface PgBouncerOptions {
  /** The server's URL; its user may connect through the pooler. */
  readonly server: string;
  readonly mode: 'transaction' | 'session';
  /** Backends for each database. @default 3 */
  readonly poolSize?: number;
  /** More lines of the configuration. */
  readonly settings?: readonly string[];
}

/** A running pooler. Whoever starts it stops it. */
export interface PgBouncer {
  readonly port: number;
  /** The same URL, through the pooler. */
  url(direct: string): string;
  stop(): Promise<void>;
}

/** @throws with the mend where there is none: these suites are never skipped. */
function findProgram(): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  const found = folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    'There is no pgbouncer on the PATH. Install it (Debian and Ubuntu: apt-get install pgbouncer), or run the other ' +
      'suites alone: npm test.',
  );
}

/** Starts PgBouncer, and waits until a connection comes through. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const program = findProgram();
  const { user } = await findTestBinaries();
  const folder = await makeRunDir();
  const port = await findFreePort(randomUUID());
  const server = new URL(options.server);
  const give = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid);
    return path;
  };
  const users = await give('users', `"${server.username}" "${server.password}"\n`);
  const config = await give(
    'pgbouncer.ini',
    [
      '[databases]',
      `* = host=127.0.0.1 port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      `pool_mode = ${options.mode}`,
      `default_pool_size = ${options.poolSize ?? 3}`,
      'max_client_conn = 200',
      ...(options.settings ?? []),
      '',
    ].join('\n'),
  );
  // It refuses to run as root, as PostgreSQL does.
  const child = spawn(program, [config], { ...user, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer): void => void (output = (output + String(chunk)).slice(-10_000));
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = once(child, 'close');
  const url = (direct: string): string => {
    const through = new URL(direct);
    through.port = String(port);
    return through.href;
  };
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitFor(() => sql(url(options.server), 'select 1'), { describe: 'PgBouncer to answer' });
  } catch (error) {
    await stop();
    throw new Error(`PgBouncer did not start:\n${output}`, { cause: error });
  }
  return { port, url, stop };
}
