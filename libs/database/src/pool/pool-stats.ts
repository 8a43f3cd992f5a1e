// A pool as it is seen from outside: an immutable snapshot.

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
  /** Times that a read took so long that those behind it were rescued. */
  readonly stalls: number;
  /** Reads that were sent again elsewhere, from behind a slow one. */
  readonly rescued: number;
  /** Reads that were sent again elsewhere, because their connection was lost. */
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
  /** Callers in the queue. */
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
