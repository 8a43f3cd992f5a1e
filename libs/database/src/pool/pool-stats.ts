// A pool as it is seen from outside: an immutable snapshot.

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
  readonly lastConnectError: string | undefined;
}
