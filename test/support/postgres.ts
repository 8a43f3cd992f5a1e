// What a suite asks for a server: a database of its own on the shared cluster, or a cluster of its own.
import { afterAll, beforeAll } from '@jest/globals';
import { caughtUp } from './cluster.js';
import { sql } from './sql.js';

export { startCluster } from './cluster.js';
export type { Cluster, ClusterOptions } from './cluster.js';
export type { ServerNode } from './server-node.js';
export { sql } from './sql.js';
export { waitFor } from './wait-for.js';

/** The variable by which the global setup tells the workers where the shared cluster is. */
const SHARED_CLUSTER = 'TEST_SHARED_CLUSTER';

/** The servers that all suites of a run share: nobody may stop, kill or promote them. */
export interface SharedCluster {
  readonly primaryUrl: string;
  readonly replicaUrl: string;
}

/** A database of one suite. */
export interface TestDatabase {
  readonly name: string;
  /** On the primary, as superuser. */
  readonly url: string;
  /** The same database on the streaming replica. */
  readonly replicaUrl: string;
  /** Rows of one statement on the primary, on a connection of its own. */
  sql<Row extends Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Waits until the replica has replayed all that was written by now. */
  replicaCaughtUp(): Promise<void>;
  /** Drops the database and everybody who is still connected to it. Idempotent. */
  drop(): Promise<void>;
}

/** @throws with the mend when the global setup did not run. */
function sharedCluster(): SharedCluster {
  const text = process.env[SHARED_CLUSTER];
  if (text !== undefined) return JSON.parse(text) as SharedCluster;
  throw new Error(
    'The test servers are not running: test/support/global-setup.ts starts them. ' +
      'Run the suite by `npm test -- <file>`, in a Jest project that names it as globalSetup.',
  );
}

/** URL of another database on the same server. */
function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

let created = 0;

/** Creates a database on the shared cluster, with pg_stat_statements in it; on the replica it exists too. */
export async function createTestDatabase(label = 'test'): Promise<TestDatabase> {
  const { primaryUrl, replicaUrl } = sharedCluster();
  const name = `${label.toLowerCase().replace(/\W+/g, '_').slice(0, 30)}_${process.pid}_${++created}`;
  await sql(primaryUrl, `create database "${name}"`);
  const database: TestDatabase = {
    name,
    url: urlOf(primaryUrl, name),
    replicaUrl: urlOf(replicaUrl, name),
    sql: (text, values) => sql(database.url, text, values),
    replicaCaughtUp: () => caughtUp(primaryUrl, replicaUrl),
    drop: async () => {
      await sql(primaryUrl, `drop database if exists "${name}" with (force)`);
    },
  };
  await database.replicaCaughtUp();
  return database;
}

/** Gives the surrounding suite a database of its own: created before its tests, dropped after them. */
export function useTestDatabase(label?: string): Omit<TestDatabase, 'drop'> {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    database = await createTestDatabase(label);
  });
  afterAll(() => database?.drop());
  const current = (): TestDatabase => {
    if (database === undefined) throw new Error('The database exists in tests and hooks only.');
    return database;
  };
  return {
    get name() {
      return current().name;
    },
    get url() {
      return current().url;
    },
    get replicaUrl() {
      return current().replicaUrl;
    },
    sql: (text, values) => current().sql(text, values),
    replicaCaughtUp: () => current().replicaCaughtUp(),
  };
}
