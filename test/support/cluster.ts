// A primary and its streaming replicas, for one suite or for all.
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';
import type { ServerSettings } from '../../libs/database/src/embedded/settings.js';
import { ensureTemplate } from './cluster-template.js';
import { ServerNode } from './server-node.js';
import { sql } from './sql.js';
import { findTestBinaries, makeRunDir } from './test-binaries.js';
import { waitFor } from './wait-for.js';

/** What differs from PostgreSQL's defaults on every test server. */
const TEST_SETTINGS: ServerSettings = {
  max_connections: 200,
  shared_buffers: '32MB',
  shared_preload_libraries: 'pg_stat_statements',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  // The data is thrown away, and a killed process loses nothing that the kernel has.
  fsync: false,
  full_page_writes: false,
  // A standby starts from the template's state, however late it comes.
  wal_keep_size: '1GB',
  // A standby looks for its primary again at once, not after 5 s.
  wal_retrieve_retry_interval: '50ms',
  // Files in the data directory, which go with it when the server is killed.
  dynamic_shared_memory_type: 'mmap',
};

/** What to start. */
export interface ClusterOptions {
  /** @default 0 */
  readonly replicas?: number;
  /** Over the settings of all test servers, on every node. @default {} */
  readonly settings?: ServerSettings;
}

/** A running cluster. Whoever starts it stops it. */
export interface Cluster {
  /** The node that was started as the primary; after a promotion, ask the node that was promoted. */
  readonly primary: ServerNode;
  readonly replicas: readonly ServerNode[];
  readonly nodes: readonly ServerNode[];
  /** Waits until the replicas have replayed all that `from` has written by now. */
  replicasCaughtUp(from?: ServerNode): Promise<void>;
  /** Ends all nodes and deletes their data. Idempotent. */
  stop(): Promise<void>;
}

/** Starts private servers for a suite that kills, restarts or promotes. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const binaries = await findTestBinaries();
  const template = await ensureTemplate(binaries);
  const root = await makeRunDir();
  const settings = { ...TEST_SETTINGS, ...options.settings };
  const create = async (name: string, upstream?: ServerNode): Promise<ServerNode> => {
    const port = await findFreePort(randomUUID());
    return ServerNode.create(
      { name, root: join(root, name), port, binaries, template, settings },
      upstream,
    );
  };
  const primary = await create('primary');
  const replicas: ServerNode[] = [];
  for (let index = 1; index <= (options.replicas ?? 0); index++) {
    replicas.push(await create(`replica${index}`, primary));
  }
  const nodes = [primary, ...replicas];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.destroy()));
    await rm(root, { recursive: true, force: true });
  };
  try {
    for (const node of nodes) await node.start();
    await replicasStream(primary, replicas.length);
  } catch (error) {
    await stop();
    throw error;
  }
  const replicasCaughtUp = async (from = primary): Promise<void> => {
    const others = nodes.filter((node) => node !== from && node.isRunning);
    await Promise.all(others.map((node) => caughtUp(from.url(), node.url())));
  };
  return { primary, replicas, nodes, replicasCaughtUp, stop };
}

async function replicasStream(primary: ServerNode, count: number): Promise<void> {
  if (count === 0) return;
  await waitFor(
    async () => {
      const rows = await primary.sql(`select from pg_stat_replication where state = 'streaming'`);
      return rows.length === count;
    },
    { describe: `${count} streaming replicas`, timeoutMs: 20_000 },
  );
}

/** Waits until one standby has replayed all that its primary has written by now. */
export async function caughtUp(primaryUrl: string, replicaUrl: string): Promise<void> {
  const [written] = await sql<{ lsn: string }>(primaryUrl, 'select pg_current_wal_lsn() as lsn');
  await waitFor(
    async () => {
      const [replayed] = await sql<{ reached: boolean }>(
        replicaUrl,
        'select pg_last_wal_replay_lsn() >= $1::pg_lsn as reached',
        [written?.lsn],
      );
      return replayed?.reached;
    },
    { describe: `the replica to replay ${written?.lsn}` },
  );
}
