// What is asked before COMMIT so that its outcome can be learnt after the answer was lost.
import type { QueryResult, Statement } from '../query/query.js';

/** Where a transaction stands in the history of its cluster. */
export interface CommitProof {
  /** 64 bits, in decimal. */
  readonly xid: string;
  readonly backendPid: number;
  readonly place: HistoryPlace;
  /** Key of its row in `transaction.commitTable`; undefined without such a table. */
  readonly token: string | undefined;
}

/** A stretch of a cluster's history in which a transaction id means one transaction. */
export interface HistoryPlace {
  /** Identifies the cluster. */
  readonly systemId: string;
  /** Counts promotions: another one has given the ids that were not replicated to other transactions. */
  readonly timeline: number;
  /**
   * Changes with each start of the server and each recovery from a crash. After a crash ids of transactions whose
   * log was not flushed are given again, on the same timeline: measured, `pg_xact_status` then says `committed` of
   * a transaction that is not there.
   */
  readonly incarnation: string;
}

/** Columns of a {@link HistoryPlace}; all may be read by any role. */
export const PLACE_COLUMNS = `
  (SELECT system_identifier::text FROM pg_control_system()) AS system_id,
  pg_walfile_name(pg_current_wal_insert_lsn()) AS walfile,
  pg_postmaster_start_time()::text || ' / ' || (SELECT stats_reset::text FROM pg_stat_bgwriter) AS incarnation`;

/** A row of {@link PLACE_COLUMNS}. */
export interface PlaceRow {
  readonly system_id: string;
  readonly walfile: string;
  readonly incarnation: string;
}

interface ProofRow extends PlaceRow {
  readonly xid: string | null;
  readonly backend_pid: number;
}

/** Reads the columns of {@link PLACE_COLUMNS}. */
export function placeOf(row: PlaceRow): HistoryPlace {
  // The timeline stands in the name of the file: pg_control_checkpoint() is stale after a promotion.
  const timeline = Number.parseInt(row.walfile.slice(0, 8), 16);
  return { systemId: row.system_id, timeline, incarnation: row.incarnation };
}

const FACTS = `
SELECT pg_current_xact_id_if_assigned()::text AS xid, pg_backend_pid() AS backend_pid, ${PLACE_COLUMNS}`;

/**
 * The last statement before COMMIT, in one round trip. With a table it stores `token` in the same transaction, if
 * that has written anything: the row is there exactly when the transaction is committed, in any history.
 */
export function proofStatement(table: string | undefined, token: string | undefined): Statement {
  if (table === undefined) return { text: FACTS };
  const text = `
WITH facts AS MATERIALIZED (${FACTS}),
     mark AS (INSERT INTO ${table} (token) SELECT $1::uuid FROM facts WHERE xid IS NOT NULL)
SELECT * FROM facts`;
  return { text, values: [token] };
}

/** The answer to {@link proofStatement}; undefined for a transaction that has written nothing. */
export function readProof(result: QueryResult, token: string | undefined): CommitProof | undefined {
  const row = result.rows[0] as unknown as ProofRow;
  if (row.xid === null) return undefined;
  return { xid: row.xid, backendPid: row.backend_pid, place: placeOf(row), token };
}
