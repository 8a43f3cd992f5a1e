// Repetition and circuits, as a tool for work of the application's own.
import type { DatabaseCore } from './database.core.js';
import type { CircuitSnapshot } from './resilience/circuit-breaker.js';
import type { RetryOptions } from './resilience/resilience.options.js';
import { judgeError } from './resilience/retry-policy.js';
import type { ErrorVerdict, RetryScope } from './resilience/retry-policy.js';
import { retry } from './resilience/retry.js';

/** Options of {@link DatabaseRetryService.run}; what is left out comes from the option `retry`. */
export interface RetryRunOptions extends Partial<Omit<RetryOptions, 'budgetRatio'>> {
  /** The function may run twice without harm, so it is repeated after a lost connection too. @default false */
  readonly idempotent?: boolean;
  /** Ends the waiting between attempts. */
  readonly signal?: AbortSignal;
}

/** Repeats functions by the same policy that queries have. */
export class DatabaseRetryService {
  constructor(private readonly core: DatabaseCore) {}

  /**
   * Calls `fn` until it succeeds, fails for good, or the attempts are used up; rejects with the last
   * failure. Serialization failures and deadlocks are repeated: `fn` has to be a whole transaction.
   */
  run<T>(fn: (attempt: number) => Promise<T>, options: RetryRunOptions = {}): Promise<T> {
    const { idempotent = false, signal, ...rest } = options;
    const accepted: readonly RetryScope[] = idempotent
      ? ['statement', 'transaction', 'repeatable']
      : ['statement', 'transaction'];
    return retry(fn, {
      ...this.core.options.retry,
      ...rest,
      clock: this.core.clock,
      signal,
      accepts: (scope) => accepted.includes(scope),
      retrying: () => undefined,
    });
  }

  /** The circuit of each node. */
  circuits(): CircuitSnapshot[] {
    return this.core.circuits();
  }

  /** What an error allows: which repetition, and whether it speaks of the server. */
  classify(error: unknown): ErrorVerdict {
    return judgeError(error);
  }
}
