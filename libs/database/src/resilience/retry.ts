// Repeats a function of the caller's: the same backoff and policy, offered as a tool.
import type { Clock } from '../kernel/clock.js';
import { backoffMs } from './backoff.js';
import type { RetryOptions } from './resilience.options.js';
import { judgeError } from './retry-policy.js';
import type { RetryScope } from './retry-policy.js';

/** How {@link retry} repeats. */
export interface RetryCall extends RetryOptions {
  readonly clock: Clock;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
  /** What may be repeated; what is not ours never is. */
  readonly accepts: (scope: RetryScope, error: unknown) => boolean;
  /** Told before each wait. */
  readonly retrying: (attempt: number, delayMs: number, error: unknown) => void;
}

/** A function that throws before its first await fails as well, and one without types may give what is no promise. */
function begin<T>(run: (attempt: number) => Promise<T>, attempt: number): Promise<T> {
  try {
    return Promise.resolve(run(attempt));
  } catch (error) {
    return new Promise(() => {
      throw error;
    });
  }
}

/**
 * Calls `run` until it succeeds, its failure may not be repeated, or the attempts are used up.
 * Rejects with the last failure.
 */
export function retry<T>(
  run: (attempt: number) => Promise<T>,
  call: RetryCall,
  attempt = 1,
): Promise<T> {
  // Not an async function: most calls succeed at once, and pay for one promise here in place of three.
  return begin(run, attempt).catch(async (error: unknown) => {
    const repeatable = attempt < call.attempts && call.accepts(judgeError(error).retry, error);
    if (!repeatable || call.signal?.aborted === true) throw error;
    const delayMs = backoffMs(call, attempt);
    call.retrying(attempt, delayMs, error);
    // Awakened by the signal: the last failure says more than the reason of the abort.
    await call.clock.sleep(delayMs, call.signal).catch(() => {
      throw error;
    });
    return retry(run, call, attempt + 1);
  });
}
