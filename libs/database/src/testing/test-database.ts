// A real PostgreSQL with an empty database for each suite, for applications that test against one.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { pgDriver } from '../driver/pg-driver.js';
import { parseTarget } from '../driver/target.js';
import type { ConnectionTarget } from '../driver/target.js';
import { findProjectDir, stateDirOf } from '../embedded/data-dir.js';
import { EmbeddedPostgres } from '../embedded/embedded-postgres.js';
import type { EmbeddedPostgresOptions } from '../embedded/embedded.options.js';
import { isProcessAlive } from '../embedded/postmaster.js';
import type { ServerSettings } from '../embedded/settings.js';
import { Checks } from '../kernel/option-checks.js';
import type { QueryResult } from '../query/query.js';

/** Options of {@link startTestDatabase}. */
export interface TestDatabaseOptions extends Pick<
  EmbeddedPostgresOptions,
  'settings' | 'binDir' | 'onProgress' | 'startTimeoutMs'
> {
  /**
   * Folder of the server. Two processes must not share it: the server ends with the one that started it.
   * @default `test-postgres` beside the development server's, one for each worker of Jest or Vitest
   */
  readonly dataDir?: string;
}

/** An empty database on a server of this process. */
export interface TestDatabase {
  readonly name: string;
  /** Connection URL of its owner, a superuser. */
  readonly url: string;
  /** Drops the database, whoever is connected to it; the last one ends the server too. Idempotent. */
  stop(): Promise<void>;
}

/** The data is thrown away, so nothing waits for the disk. */
const SETTINGS: ServerSettings = { fsync: false, full_page_writes: false };
const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;

function defaultDir(): string {
  const worker = process.env['JEST_WORKER_ID'] ?? process.env['VITEST_POOL_ID'];
  const name = worker === undefined ? 'test-postgres' : `test-postgres-${worker}`;
  return join(stateDirOf(findProjectDir()), name);
}

function targetOf(url: string): ConnectionTarget {
  const checks = new Checks();
  const defaults = {
    tls: { mode: 'disable' },
    applicationName: 'nestjs-database testing',
  } as const;
  const target = parseTarget('url', url, defaults, checks);
  checks.throwIfAny();
  return target as ConnectionTarget;
}

/** Runs statements one after the other on a session of its own; gives the rows of each. */
async function run(url: string, texts: readonly string[]): Promise<unknown[][]> {
  const connection = await pgDriver.connect(targetOf(url), CONNECT_TIMEOUT_MS);
  const ask = (text: string): Promise<unknown[]> =>
    new Promise((resolve, reject) => {
      connection.execute(
        { text },
        {
          replied: (error, result) => {
            if (error === undefined) resolve((result as QueryResult).rows);
            else reject(error);
          },
        },
      );
    });
  try {
    const answers: unknown[][] = [];
    for (const text of texts) answers.push(await ask(text));
    return answers;
  } finally {
    await connection.end(CLOSE_TIMEOUT_MS);
  }
}

const drop = (name: string): string => `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`;

/** Databases of processes that ended without stopping theirs. */
async function dropAbandoned(adminUrl: string): Promise<void> {
  const text = `SELECT datname FROM pg_database WHERE datname ~ '^test_\\d+_[0-9a-f]+$'`;
  const [rows = []] = await run(adminUrl, [text]);
  const names = (rows as Array<{ datname: string }>).map(({ datname }) => datname);
  const abandoned = names.filter((name) => !isProcessAlive(Number(name.split('_')[1])));
  if (abandoned.length > 0) await run(adminUrl, abandoned.map(drop));
}

/**
 * Gives a suite an empty database on a real PostgreSQL, which the first call of the process starts: 1-3 s the
 * first time ever, well below a second later on. For suites that run side by side in one process, call it in each.
 * @throws EmbeddedPostgresError with cause and mend.
 */
export async function startTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`;
  const server = await EmbeddedPostgres.start({
    ...options,
    dataDir: options.dataDir ?? defaultDir(),
    settings: { ...SETTINGS, ...options.settings },
    database: name,
  });
  const adminUrl = server.urlOf('postgres');
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    try {
      await run(adminUrl, [drop(name)]);
    } finally {
      await server.stop();
    }
  };
  try {
    await dropAbandoned(adminUrl);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name, url: server.url, stop: () => (stopping ??= stop()) };
}
