// Learns what became of a COMMIT that was not answered: asks the present primary until it is certain, or time is up.
import type { Clock } from '../kernel/clock.js';
import { QueryError, ShutdownError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Lease } from '../pool/lease.js';
import type { QueryResult } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import { PLACE_COLUMNS, placeOf } from './commit-proof.js';
import type { CommitProof, PlaceRow } from './commit-proof.js';
import { judgeDoubt } from './doubt.rules.js';
import type { DoubtSight, Verdict, XidStatus } from './doubt.rules.js';

/** What the resolver works with. */
export interface DoubtResolverParts {
  readonly desk: TripDesk;
  readonly clock: Clock;
  /** Longest time of a resolution, in ms. */
  readonly resolveTimeoutMs: number;
  /** The table of tokens, quoted; undefined without one. */
  readonly table: string | undefined;
}

/** How a doubt ended. */
export interface Resolution {
  readonly outcome: 'committed' | 'rolled-back' | 'unknown';
  /** Why it is unknown. */
  readonly because: string | undefined;
  readonly tookMs: number;
}

/** Pauses between questions: a restart or a promotion takes some of them. */
const PAUSE_MS = { initial: 25, max: 500 };
/** Time that a COMMIT under way has before its backend is looked at, in ms. */
const PATIENCE_MS = 500;

const NO_ANSWER = 'no primary answered in time';
const STILL_RUNS = 'the server still works on it';
const NO_HISTORY = 'the server was promoted, restored or has recovered from a crash since';

/** `state` of the backend, if it still runs that transaction. xid 32 bits in pg_stat_activity, 64 here. */
const BACKEND = `pid = $2::int AND usename = current_user AND backend_xid::text = ($1::text::bigint & 4294967295)::text`;

/** Asks on one backend at a time: what it says belongs to one history. */
export class DoubtResolver {
  constructor(private readonly parts: DoubtResolverParts) {}

  /** Never rejects; ends within `resolveTimeoutMs`. */
  async resolve(proof: CommitProof): Promise<Resolution> {
    const { clock, resolveTimeoutMs } = this.parts;
    const startedAtMs = clock.monotonicMs();
    const leftMs = (): number => resolveTimeoutMs - (clock.monotonicMs() - startedAtMs);
    let because = NO_ANSWER;
    for (let pauseMs = PAUSE_MS.initial; leftMs() > 0; pauseMs *= 2) {
      try {
        const verdict = await this.look(proof, leftMs(), resolveTimeoutMs - leftMs());
        if (verdict === 'in-progress') because = STILL_RUNS;
        else {
          const tookMs = clock.monotonicMs() - startedAtMs;
          return {
            outcome: verdict,
            because: verdict === 'unknown' ? NO_HISTORY : undefined,
            tookMs,
          };
        }
      } catch (error) {
        because = `${NO_ANSWER}: ${(error as Error).message}`;
        if (error instanceof ShutdownError) break;
      }
      await clock.sleep(Math.min(pauseMs, PAUSE_MS.max, Math.max(1, leftMs())));
    }
    return { outcome: 'unknown', because, tookMs: clock.monotonicMs() - startedAtMs };
  }

  private async look(proof: CommitProof, timeoutMs: number, passedMs: number): Promise<Verdict> {
    const lease = await this.parts.desk.sendForLease<Lease>({ timeoutMs });
    try {
      const verdict = judgeDoubt(proof, await this.see(lease, proof, timeoutMs));
      if (verdict === 'in-progress' && passedMs > PATIENCE_MS) {
        await this.terminate(lease, proof, timeoutMs);
      }
      return verdict;
    } finally {
      if (!lease.isReleased) lease.release();
    }
  }

  private async see(lease: Lease, proof: CommitProof, timeoutMs: number): Promise<DoubtSight> {
    const { table } = this.parts;
    const hasTable = table !== undefined && proof.token !== undefined;
    const mark = hasTable ? `, EXISTS (SELECT FROM ${table} WHERE token = $1::uuid) AS marked` : '';
    // The status before the mark: what has ended by then has left its mark, or never will.
    const status = await this.status(lease, proof, timeoutMs);
    const { rows } = await this.parts.desk.sendOn(
      lease,
      { text: `SELECT ${PLACE_COLUMNS}${mark}`, values: hasTable ? [proof.token] : [] },
      { timeoutMs },
    );
    const row = rows[0] as unknown as PlaceRow & { readonly marked?: boolean };
    const place = placeOf(row);
    const isSameTimeline = place.timeline === proof.place.timeline;
    return { place, status: isSameTimeline ? status : undefined, hasToken: row.marked };
  }

  private async status(lease: Lease, proof: CommitProof, timeoutMs: number): Promise<XidStatus> {
    let result: QueryResult;
    try {
      result = await this.parts.desk.sendOn(
        lease,
        { text: 'SELECT pg_xact_status($1::xid8) AS status', values: [proof.xid] },
        { timeoutMs },
      );
    } catch (error) {
      if ((error as DatabaseError).sqlState === '22023' && error instanceof QueryError)
        return 'unassigned';
      throw error;
    }
    return (result.rows[0]?.['status'] as XidStatus | null) ?? 'forgotten';
  }

  /**
   * Ends a backend to which COMMIT never came: it would hold its locks until TCP gives up. One that is at work
   * on its COMMIT, or waits for a synchronous replica, is left alone.
   */
  private async terminate(lease: Lease, proof: CommitProof, timeoutMs: number): Promise<void> {
    const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${BACKEND} AND state LIKE 'idle in transaction%'`;
    await this.parts.desk.sendOn(
      lease,
      { text, values: [proof.xid, proof.backendPid] },
      { timeoutMs },
    );
  }
}
