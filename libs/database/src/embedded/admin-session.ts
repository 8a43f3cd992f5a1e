// A short superuser session on the embedded server: proves whose server it is, makes databases.
import { realpath } from 'node:fs/promises';
import type { Connection } from '../driver/driver.js';
import { pgDriver } from '../driver/pg-driver.js';
import type { QueryResult } from '../query/query.js';
import { errnoOf, sqlStateOf } from './embedded.errors.js';

const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** The setting that carries the id of the process that started a server. */
export const OWNER_SETTING = 'nestjs_database.owner_pid';

/** How to reach a server. */
export interface ServerAddress {
  readonly port: number;
  readonly password: string;
}

type Row = Readonly<Record<string, string | null>>;
type Ask = (text: string, values?: readonly string[]) => Promise<readonly Row[]>;

/** Opens a session, runs `work` in it and closes it, whatever happens. */
async function withSession<T>(
  address: ServerAddress,
  database: string,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  const connection = await pgDriver.connect(
    {
      ...address,
      host: '127.0.0.1',
      user: 'postgres',
      database,
      applicationName: 'nestjs-database embedded',
      tls: { mode: 'disable' },
      options: undefined,
      label: `127.0.0.1:${address.port}/${database}`,
    },
    CONNECT_TIMEOUT_MS,
  );
  try {
    return await work((text, values = []) => askOn(connection, text, values));
  } finally {
    await connection.end(CLOSE_TIMEOUT_MS);
  }
}

function askOn(connection: Connection, text: string, values: readonly string[]): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.execute(
      { text, values },
      {
        replied: (error, result) => {
          if (error === undefined) resolve((result as QueryResult<Row>).rows);
          else reject(error);
        },
      },
    );
  });
}

/**
 * Logs in and asks whose server it is.
 * @returns the id of the process that started it, 0 when it does not say, undefined when it runs on
 * another data directory.
 */
export function findOwner(address: ServerAddress, pgdata: string): Promise<number | undefined> {
  return withSession(address, 'postgres', async (ask) => {
    const [row] = await ask(
      `select current_setting('data_directory') as dir, current_setting($1, true) as owner`,
      [OWNER_SETTING],
    );
    const isOurs = (await realpath(row?.['dir'] ?? '')) === (await realpath(pgdata));
    return isOurs ? Number(row?.['owner'] ?? 0) : undefined;
  }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
}

/** Creates the database, with pg_stat_statements, unless it exists. Safe when two processes do it at once. */
export async function ensureDatabase(address: ServerAddress, name: string): Promise<void> {
  await withSession(address, 'postgres', async (ask) => {
    const found = await ask('select datname from pg_database where datname = $1', [name]);
    if (found.length > 0) return;
    await ask(`create database "${name.replaceAll('"', '""')}"`).catch(ignoreDuplicate);
  });
  await withSession(address, name, async (ask) => {
    await ask('create extension if not exists pg_stat_statements').catch(ignoreDuplicate);
  });
}

/** duplicate_database, duplicate_object, and the unique violation that a race on the catalog ends in. */
function ignoreDuplicate(error: unknown): void {
  const state = sqlStateOf(error);
  if (state !== '42P04' && state !== '42710' && state !== '23505') throw error;
}
