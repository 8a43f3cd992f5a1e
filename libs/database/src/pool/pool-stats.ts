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
  /** leased / max, 0 to 1. */
  readonly utilizationRatio: number;
  readonly acquiredCount: number;
  readonly opened: number;
  readonly closed: number;
  readonly connectFailures: number;
  /** Waits that ended without a connection. */
  readonly acquireTimeouts: number;
  readonly refused: number;
  readonly leaks: number;
  readonly lastConnectError: string | undefined;
}
