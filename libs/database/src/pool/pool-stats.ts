// A pool as it is seen from outside: an immutable snapshot.
import type { Admission } from './admission.js';
import type { Connector } from './connector.js';
import type { PoolCounters } from './pool-counters.js';

/** Figures of the connections that fast reads share. Counters run from the start of the process. */
export interface LaneStats {
  /** Most connections that may be shared; 0 when the lane is off. */
  readonly max: number;
  /** Those that are; part of the pool's `leased`. */
  readonly connections: number;
  /** Reads on their way. */
  readonly inFlight: number;
  /** Reads that wait for a place. */
  readonly waiting: number;
  /** Reads that went by the lane. */
  readonly sent: number;
  /** Reads that the server answered together with others, since the start. */
  readonly batched: number;
  /** Times that a read took so long that those behind it were rescued. */
  readonly stalls: number;
  /** Reads that were sent again elsewhere, from behind a slow one. */
  readonly rescued: number;
  /** Reads that were sent again elsewhere, because their connection was lost, or another one of their batch failed. */
  readonly repeated: number;
}

/** Figures of one pool. Counters run from the start of the process. */
export interface PoolStats {
  readonly node: string;
  /** Open connections. */
  readonly total: number;
  readonly idle: number;
  /** Given out, or running a statement. */
  readonly leased: number;
  /** Being opened. */
  readonly connecting: number;
  /** Callers in the queue, and reads that wait for a place in the lane. */
  readonly waiting: number;
  readonly max: number;
  readonly min: number;
  /** True while new work waits for `resume()`. */
  readonly isSuspended: boolean;
  /** leased / max, 0 to 1. */
  readonly utilizationRatio: number;
  readonly acquiredCount: number;
  readonly opened: number;
  readonly closed: number;
  readonly connectFailures: number;
  /** Waits that ended without a connection. */
  readonly acquireTimeouts: number;
  /** Callers who found the queue full. */
  readonly refused: number;
  /** Callers who were sent away because the queue was too slow for too long. */
  readonly shed: number;
  /** Callers who held a connection and waited for another one that could not come. */
  readonly deadlocks: number;
  readonly leaks: number;
  readonly lane: LaneStats;
  readonly lastConnectError: string | undefined;
}

/** The pool as its figures see it. */
export interface CountedPool {
  readonly node: string;
  readonly options: { readonly min: number };
  readonly connections: { readonly size: number };
  readonly leased: number;
  readonly admission: Admission;
  readonly control: { readonly isSuspended: boolean };
  readonly borrowed: { readonly leaks: number };
  readonly lane: { stats(): LaneStats; readonly isWaiting: boolean };
}

/** The figures of this moment. */
export function snapshotOf(
  pool: CountedPool,
  counters: PoolCounters,
  connector: Connector,
): PoolStats {
  const { leased, max, waiting } = pool.admission.figures();
  const lane = pool.lane.stats();
  return {
    node: pool.node,
    total: pool.connections.size,
    idle: pool.connections.size - leased,
    leased,
    connecting: connector.connecting,
    // The lane itself is no caller.
    waiting: waiting + lane.waiting - Number(pool.lane.isWaiting),
    max,
    min: pool.options.min,
    isSuspended: pool.control.isSuspended,
    // After a resize more may be leased than there should be.
    utilizationRatio: Math.min(1, leased / max),
    ...counters.snapshot(),
    leaks: pool.borrowed.leaks,
    connectFailures: connector.failures,
    lane,
    lastConnectError: connector.lastError?.message,
  };
}
