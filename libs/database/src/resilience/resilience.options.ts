// How often a failed call is repeated, and when a node is left alone.
import type { Checks } from '../kernel/option-checks.js';

/** Repetition of calls that failed for a passing reason and can be repeated without harm. */
export interface RetryOptions {
  /** Attempts in all, the first one included; 1 turns repetition off. @default 3 */
  readonly attempts: number;
  /** Wait before the second attempt, in ms. @default 100 */
  readonly initialDelayMs: number;
  /** Each further wait is this many times longer. @default 2 */
  readonly factor: number;
  /** Longest wait, in ms. @default 2000 */
  readonly maxDelayMs: number;
  /** Share of the wait that is random, 0 to 1, so that callers do not come back in step. @default 0.5 */
  readonly jitter: number;
  /** Repetitions allowed for each successful call, so that they cannot multiply an overload. @default 0.2 */
  readonly budgetRatio: number;
}

/** Defaults of {@link RetryOptions}. */
export const RETRY_DEFAULTS: RetryOptions = Object.freeze({
  attempts: 3,
  initialDelayMs: 100,
  factor: 2,
  maxDelayMs: 2_000,
  jitter: 0.5,
  budgetRatio: 0.2,
});

/** Circuit breaker of each node. Only failures of server and network count, never SQL errors. */
export interface BreakerOptions {
  /** Failures older than this are forgotten, in ms. @default 10000 */
  readonly windowMs: number;
  /** Calls within the window before the ratio means anything. @default 10 */
  readonly minimumCalls: number;
  /** Share of failures that opens the circuit, above 0 to 1. @default 0.5 */
  readonly failureRatio: number;
  /** Time until probes are let through, in ms. @default 1000 */
  readonly openMs: number;
  /** Probes let through at a time; all must succeed to close the circuit. @default 2 */
  readonly probes: number;
}

/** Defaults of {@link BreakerOptions}. */
export const BREAKER_DEFAULTS: BreakerOptions = Object.freeze({
  windowMs: 10_000,
  minimumCalls: 10,
  failureRatio: 0.5,
  openMs: 1_000,
  probes: 2,
});

/** Checks the slice `retry`. */
export function checkRetry(retry: RetryOptions, checks: Checks): void {
  checks.count('retry.attempts', retry.attempts, { min: 1, max: 20 });
  checks.durationMs('retry.initialDelayMs', retry.initialDelayMs, { min: 0 });
  checks.number('retry.factor', retry.factor, { min: 1, max: 10 });
  checks.durationMs('retry.maxDelayMs', retry.maxDelayMs, { min: 0 });
  checks.number('retry.jitter', retry.jitter, { min: 0, max: 1 });
  checks.number('retry.budgetRatio', retry.budgetRatio, { min: 0, max: 1 });
}

/** Checks the slice `breaker`. */
export function checkBreaker(breaker: BreakerOptions, checks: Checks): void {
  checks.durationMs('breaker.windowMs', breaker.windowMs, { min: 100 });
  checks.count('breaker.minimumCalls', breaker.minimumCalls, { min: 1 });
  checks.number('breaker.failureRatio', breaker.failureRatio, { min: 0.01, max: 1 });
  checks.durationMs('breaker.openMs', breaker.openMs, { min: 1 });
  checks.count('breaker.probes', breaker.probes, { min: 1, max: 100 });
}
