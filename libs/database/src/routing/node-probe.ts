// Asks one node for its role and position, on a connection of its own: never hostage of a full pool.
import type { Clock } from '../kernel/clock.js';
import { ShutdownError } from '../kernel/errors.js';
import { ask } from './ask.js';
import type { AskedConnection } from './ask.js';
import { endOfRecords, parseLsn } from './lsn.js';
import { PoolingWatch } from './pooling.js';
import type { Pooling } from './pooling.js';

/** Where a node stands, and when it was asked. */
export interface PositionAnswer {
  readonly role: 'primary' | 'replica';
  /** The last position written (primary) or replayed (replica), in bytes since the cluster's birth. */
  readonly lsn: bigint;
  /** Position that stands for every commit so far; on a replica that of `lsn`. */
  readonly endLsn: bigint;
  /** Counts promotions in the history of the data. On a replica the newest it surely follows; undefined when it cannot tell. */
  readonly timeline: number | undefined;
  /** Identifies the cluster: the same on a primary and all its replicas. */
  readonly systemId: string;
  /** Monotonic time of the question, in ms: the answer is not older. */
  readonly askedAtMs: number;
}

/** What a node says of itself. */
export interface ProbeAnswer extends PositionAnswer {
  /** The last position that a replica has received; undefined when it has received nothing yet, or on a primary. */
  readonly receivedLsn: bigint | undefined;
  /** Age of the last replayed transaction, in ms; undefined when there was none, or on a primary. */
  readonly replayAgeMs: number | undefined;
  readonly serverVersion: number;
  /** Round trip of the probe, in ms. */
  readonly latencyMs: number;
  /** What stands in between; undefined while it cannot be told. */
  readonly pooling?: Pooling | undefined;
}

interface PositionRow {
  readonly replica: boolean;
  readonly lsn: string | null;
  readonly inserted: string | null;
  readonly walfile: string | null;
}

interface ProbeRow extends PositionRow {
  readonly received: string | null;
  readonly replay_age_ms: number | null;
  readonly followed: number | null;
  readonly system_id: string;
  readonly version: number;
  readonly pid: number;
}

// The timeline of a primary stands in the name of the WAL file: pg_control_checkpoint() was stale after a promotion.
const POSITION_COLUMNS = `
       r.replica,
       CASE WHEN r.replica THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn,
       CASE WHEN NOT r.replica THEN pg_current_wal_insert_lsn()::text END AS inserted,
       CASE WHEN NOT r.replica THEN pg_walfile_name(pg_current_wal_lsn()) END AS walfile`;

const ROLE = 'FROM (SELECT pg_is_in_recovery() AS replica) AS r';

const POSITION = `SELECT ${POSITION_COLUMNS} ${ROLE}`;

// A replica cannot name its timeline. What it receives, what its last restart point was on and what it had
// replayed are all on its own history; the first is hidden from users without pg_monitor, the others come late.
const PROBE = `
SELECT ${POSITION_COLUMNS},
       CASE WHEN r.replica THEN pg_last_wal_receive_lsn()::text END AS received,
       CASE WHEN r.replica
         THEN (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::float8 END AS replay_age_ms,
       CASE WHEN r.replica THEN greatest(
         (SELECT received_tli FROM pg_stat_wal_receiver),
         (SELECT timeline_id FROM pg_control_checkpoint()),
         (SELECT min_recovery_end_timeline FROM pg_control_recovery())) END AS followed,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
       current_setting('server_version_num')::int AS version,
       pg_backend_pid() AS pid
${ROLE}`;

/** Keeps one connection open between questions, asks one at a time, and opens another when it is lost. */
export class NodeProbe {
  private connection: AskedConnection | undefined;
  /** What the server behind the connection has said of itself; it cannot become another one. */
  private known: { readonly systemId: string; readonly followed: number | undefined } | undefined;
  private turn: Promise<unknown> = Promise.resolve();
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

  /** True while the connection stands that gave the last answer: a server that restarts ends it. */
  get isConnected(): boolean {
    return this.connection?.isUsable === true;
  }

  /** @throws DatabaseError when the node cannot be reached or does not answer in time. */
  ask(): Promise<ProbeAnswer> {
    return this.inTurn(() => this.askAll());
  }

  /** Only where the node stands: cheap enough to be asked after each write. Throws as {@link ask} does. */
  askPosition(): Promise<PositionAnswer> {
    return this.inTurn(async () => {
      const { known } = this;
      if (known === undefined || !this.isConnected) return this.askAll();
      const askedAtMs = this.clock.monotonicMs();
      const row = await this.fetchRow<PositionRow>(POSITION);
      return positionOf(row, known.systemId, known.followed, askedAtMs);
    });
  }

  close(): void {
    this.connection?.destroy();
    this.connection = undefined;
    this.known = undefined;
  }

  private async askAll(): Promise<ProbeAnswer> {
    if (!this.isConnected) {
      this.known = undefined;
      this.connection = await this.connect();
    }
    const askedAtMs = this.clock.monotonicMs();
    const row = await this.fetchRow<ProbeRow>(PROBE);
    const latencyMs = this.clock.monotonicMs() - askedAtMs;
    this.known = { systemId: row.system_id, followed: row.followed ?? undefined };
    return {
      ...positionOf(row, row.system_id, row.followed ?? undefined, askedAtMs),
      receivedLsn: row.received === null ? undefined : parseLsn(row.received),
      replayAgeMs: row.replay_age_ms ?? undefined,
      serverVersion: row.version,
      latencyMs,
      pooling: await this.pooling.look(this.requireConnection(), row.pid),
    };
  }

  private inTurn<T>(ask: () => Promise<T>): Promise<T> {
    const asked = this.turn.then(ask);
    this.turn = asked.catch(() => undefined);
    return asked;
  }

  private async fetchRow<Row>(text: string): Promise<Row> {
    const [row] = await ask<Row>(this.requireConnection(), text, this.limits);
    if (row === undefined) throw new Error('The probe got no row.');
    return row;
  }

  private requireConnection(): AskedConnection {
    if (this.connection === undefined) throw new ShutdownError('The probe was closed.');
    return this.connection;
  }
}

function positionOf(
  row: PositionRow,
  systemId: string,
  followed: number | undefined,
  askedAtMs: number,
): PositionAnswer {
  const lsn = parseLsn(row.lsn ?? '0/0');
  return {
    role: row.replica ? 'replica' : 'primary',
    lsn,
    endLsn: endOfRecords(lsn, parseLsn(row.inserted ?? row.lsn ?? '0/0')),
    timeline: row.walfile === null ? followed : Number.parseInt(row.walfile.slice(0, 8), 16),
    systemId,
    askedAtMs,
  };
}
