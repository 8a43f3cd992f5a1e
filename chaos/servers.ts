/**
 * The primary and the replica of a run, each behind a proxy, and the order in which they may be hurt.
 *
 * What the referee holds the library to has to be something that PostgreSQL itself keeps. A primary that is lost
 * takes along what its replica had not got, so replication is synchronous (`synchronous_standby_names = '*'`, with
 * `synchronous_commit = on`): no COMMIT is acknowledged before the replica has it on its disk. Replay comes later,
 * so a read on the replica may still be stale. While the replica is away, commits would wait for it; therefore it
 * is switched off before the replica is stopped or frozen and on again when the replica has caught up, and a
 * promotion strikes only while it is on.
 */
import { startCluster } from '../test/support/cluster.js';
import type { Cluster } from '../test/support/cluster.js';
import { startFaultProxy } from '../test/support/fault-proxy.js';
import type { FaultProxy } from '../test/support/fault-proxy.js';
import type { ServerNode } from '../test/support/server-node.js';
import { findTestBinaries, removeAbandonedRuns } from '../test/support/test-binaries.js';
import { waitFor } from '../test/support/wait-for.js';
import { LEDGER_SCHEMA, LOAD_ROLE } from './ledger.js';
import type { FaultTarget } from './schedule.js';

/** A server, and the line that clients have to it. */
export interface Station {
  readonly node: ServerNode;
  readonly proxy: FaultProxy;
}

/** Both servers. Roles change with promotions. */
export class Servers {
  private synchronous = false;

  private constructor(
    private readonly cluster: Cluster,
    private first: Station,
    private second: Station,
  ) {}

  /** Starts both, with the ledger on them. */
  static async start(): Promise<Servers> {
    await removeAbandonedRuns(await findTestBinaries());
    const cluster = await startCluster({
      replicas: 1,
      // Transfers deadlock on purpose; the default would have each of them wait for a second.
      settings: { deadlock_timeout: '50ms', log_min_messages: 'warning' },
    });
    const stations: Station[] = [];
    try {
      for (const node of cluster.nodes) stations.push(await putBehindProxy(node));
      const [primary, replica] = stations;
      if (primary === undefined || replica === undefined)
        throw new Error('A cluster has two nodes.');
      for (const text of LEDGER_SCHEMA) await primary.node.sql(text);
      const servers = new Servers(cluster, primary, replica);
      await servers.switchSyncOn();
      return servers;
    } catch (error) {
      await stopAll(cluster, stations);
      throw error;
    }
  }

  get primary(): Station {
    return this.first;
  }

  get replica(): Station {
    return this.second;
  }

  get stations(): readonly Station[] {
    return [this.first, this.second];
  }

  /** The servers that a fault hits. */
  at(target: FaultTarget): readonly Station[] {
    if (target === 'both') return this.stations;
    return [target === 'primary' ? this.first : this.second];
  }

  /** What clients connect to: through the proxies, as the role of the load. */
  clientUrls(): string[] {
    return this.stations.map(({ node, proxy }) => {
      const url = new URL(proxy.url(node.url()));
      url.username = LOAD_ROLE;
      url.password = LOAD_ROLE;
      return url.href;
    });
  }

  /** From now on a COMMIT needs nobody but the primary. */
  async switchSyncOff(): Promise<void> {
    this.synchronous = false;
    await this.setSyncNames('');
  }

  /** From now on no COMMIT is acknowledged that the replica has not got. */
  async switchSyncOn(): Promise<void> {
    await this.setSyncNames('*');
    await this.replicaIsInStep();
    this.synchronous = true;
  }

  /** Waits until the replica has all that was written by now, and every COMMIT waits for it. */
  async replicaIsInStep(): Promise<void> {
    const { node } = this.first;
    const streams = `select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'sync'`;
    await waitFor(async () => (await node.sql(streams)).length === 1, {
      describe: 'the replica to stream in step',
      timeoutMs: 20_000,
    });
    // Commits look at what the checkpointer has made of the settings: once it has worked, it has read them.
    await node.sql('checkpoint');
    const [written] = await node.sql<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn');
    const caughtUp = 'select 1 from pg_stat_replication where flush_lsn >= $1::pg_lsn';
    await waitFor(async () => (await node.sql(caughtUp, [written?.lsn])).length === 1, {
      describe: 'the replica to catch up',
      timeoutMs: 20_000,
    });
  }

  /** Makes the replica the primary. The old one has to be down. */
  async promote(): Promise<void> {
    if (!this.synchronous) throw new Error('A promotion now could lose what was acknowledged.');
    await this.second.node.promote();
    this.synchronous = false;
    [this.first, this.second] = [this.second, this.first];
  }

  /** Has the old primary come back as a replica of the new one. */
  async rejoin(): Promise<void> {
    await this.second.node.rejoin(this.first.node);
    await this.switchSyncOn();
  }

  /** Ends everything. Idempotent. */
  stop(): Promise<void> {
    return stopAll(this.cluster, this.stations);
  }

  private async setSyncNames(names: string): Promise<void> {
    const { node } = this.first;
    await node.sql(`alter system set synchronous_standby_names = '${names}'`);
    await node.sql('select pg_reload_conf()');
  }
}

async function stopAll(cluster: Cluster, stations: readonly Station[]): Promise<void> {
  await Promise.all(stations.map(({ proxy }) => proxy.stop()));
  await cluster.stop();
}

async function putBehindProxy(node: ServerNode): Promise<Station> {
  return { node, proxy: await startFaultProxy({ targetPort: node.port }) };
}
