// Asks one node for its role and position, on a connection of its own: never hostage of a full pool.
import type { Clock } from '../kernel/clock.js';
import { ask } from './ask.js';
import type { AskedConnection } from './ask.js';
import { parseLsn } from './lsn.js';
import { PoolingWatch } from './pooling.js';
import type { Pooling } from './pooling.js';

/** What a node says of itself. */
export interface ProbeAnswer {
  readonly role: 'primary' | 'replica';
  /** The last position written (primary) or replayed (replica), in bytes since the cluster's birth. */
  readonly lsn: bigint;
  /** True when a replica has replayed all it received. */
  readonly hasReplayedAll: boolean;
  /** Age of the last replayed transaction, in ms; undefined when there was none, or on a primary. */
  readonly replayAgeMs: number | undefined;
  /** Counts promotions in the history of the data; undefined on a replica, which follows. */
  readonly timeline: number | undefined;
  /** Identifies the cluster: the same on a primary and all its replicas. */
  readonly systemId: string;
  readonly serverVersion: number;
  /** Round trip of the probe, in ms. */
  readonly latencyMs: number;
  /** What stands in between; undefined while it cannot be told. */
  readonly pooling?: Pooling | undefined;
}

interface ProbeRow {
  readonly replica: boolean;
  readonly lsn: string | null;
  readonly caught_up: boolean | null;
  readonly replay_age_ms: number | null;
  readonly walfile: string | null;
  readonly system_id: string;
  readonly version: number;
  readonly pid: number;
}

// The timeline stands in the name of the WAL file: pg_control_checkpoint() was stale after a promotion.
const PROBE = `
SELECT r.replica,
       CASE WHEN r.replica THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn,
       CASE WHEN r.replica THEN pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn() END AS caught_up,
       CASE WHEN r.replica
         THEN (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::float8 END AS replay_age_ms,
       CASE WHEN NOT r.replica THEN pg_walfile_name(pg_current_wal_lsn()) END AS walfile,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
       current_setting('server_version_num')::int AS version,
       pg_backend_pid() AS pid
FROM (SELECT pg_is_in_recovery() AS replica) AS r`;

/** Keeps one connection open between probes and opens another when it is lost. */
export class NodeProbe {
  private connection: AskedConnection | undefined;
  private readonly pooling: PoolingWatch;
  private readonly limits: { readonly clock: Clock; readonly timeoutMs: number };

  constructor(
    private readonly connect: () => Promise<AskedConnection>,
    private readonly clock: Clock,
    timeoutMs: number,
  ) {
    this.limits = { clock, timeoutMs };
    this.pooling = new PoolingWatch({ connect, ...this.limits });
  }

  /** @throws DatabaseError when the node cannot be reached or does not answer in time. */
  async ask(): Promise<ProbeAnswer> {
    if (this.connection?.isUsable !== true) this.connection = await this.connect();
    const { connection } = this;
    const startedAtMs = this.clock.monotonicMs();
    const [row] = await ask<ProbeRow>(connection, PROBE, this.limits);
    if (row === undefined) throw new Error('The probe got no row.');
    const latencyMs = this.clock.monotonicMs() - startedAtMs;
    return {
      role: row.replica ? 'replica' : 'primary',
      lsn: parseLsn(row.lsn ?? '0/0'),
      hasReplayedAll: row.caught_up ?? true,
      replayAgeMs: row.replay_age_ms ?? undefined,
      timeline: row.walfile === null ? undefined : Number.parseInt(row.walfile.slice(0, 8), 16),
      systemId: row.system_id,
      serverVersion: row.version,
      latencyMs,
      pooling: await this.pooling.look(connection, row.pid),
    };
  }

  close(): void {
    this.connection?.destroy();
    this.connection = undefined;
  }
}
