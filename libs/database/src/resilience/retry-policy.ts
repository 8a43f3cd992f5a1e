// What a failure allows: the retry matrix, asked of the error's facts and never of its message.
import { findDatabaseError } from '../kernel/error-chain.js';
import {
  CircuitOpenError,
  ConnectionError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
} from '../kernel/errors.js';
import { DeadlockError, SerializationError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';

/**
 * What may be done again: `statement`: the statement as it is; `repeatable`: only one that may run
 * twice, for whether it ran is unknown; `transaction`: the whole transaction from its start; `no`: nothing.
 */
export type RetryScope = 'statement' | 'repeatable' | 'transaction' | 'no';

/** The verdict on one error. */
export interface ErrorVerdict {
  readonly retry: RetryScope;
  /** True when it counts against the node's circuit breaker. */
  readonly outage: boolean;
  /** True when no byte of the statement left the process. */
  readonly safeToRetry: boolean;
}

function scopeOf(error: unknown): RetryScope {
  if (error instanceof ConnectionError) {
    if (!error.transient) return 'no';
    return error.safeToRetry ? 'statement' : 'repeatable';
  }
  if (error instanceof SerializationError || error instanceof DeadlockError) return 'transaction';
  return 'no';
}

/** Judges an error of any kind by ours, which another library may have wrapped; without one it is never retried. */
export function judgeError(error: unknown): ErrorVerdict {
  const ours = findDatabaseError(error);
  return {
    retry: scopeOf(ours),
    outage: ours?.outage ?? false,
    safeToRetry: ours?.safeToRetry ?? false,
  };
}

/** True for refusals and interruptions that say nothing about the health of the node. */
export function isNeutral(error: DatabaseError): boolean {
  return (
    error instanceof PoolTimeoutError ||
    error instanceof PoolOverloadedError ||
    error instanceof CircuitOpenError ||
    error instanceof QueryAbortedError ||
    error instanceof QueryTimeoutError ||
    error instanceof ShutdownError
  );
}
