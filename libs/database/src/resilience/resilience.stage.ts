// Deadline, attempts and circuit breaker of one node, as a stage.
import type { Clock } from '../kernel/clock.js';
import { CircuitOpenError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Enter, Stage } from '../query/stage.js';
import type { Phase, Trip } from '../query/trip.js';
import { backoffMs } from './backoff.js';
import type { CircuitBreaker, Ticket } from './circuit-breaker.js';
import type { RetryOptions } from './resilience.options.js';
import type { RetryBudget } from './retry-budget.js';
import { isNeutral, judgeError } from './retry-policy.js';

/** What the stage works with. */
export interface ResilienceStageParts {
  readonly node: string;
  readonly clock: Clock;
  readonly retry: RetryOptions;
  readonly budget: RetryBudget;
  readonly breaker: CircuitBreaker;
  /** Time of a whole call whose caller set none, in ms. */
  readonly defaultTimeoutMs: number;
}

/**
 * Lets a trip in while the circuit allows it and sends it down again after a passing failure. A trip
 * that is pinned to a connection has one attempt: what it repeats is decided by its transaction.
 */
export class ResilienceStage implements Stage {
  private backoff: Phase | undefined;

  constructor(private readonly parts: ResilienceStageParts) {}

  enter(trip: Trip, next: Enter): void {
    if (trip.request.pinned !== undefined) {
      trip.attempts = 1;
      next(trip);
      return;
    }
    trip.deadlineAtMs ??= trip.openedAtMs + this.parts.defaultTimeoutMs;
    this.attempt(trip, next);
  }

  settled(trip: Trip, next: Enter): boolean {
    const { error, ticket } = trip;
    trip.ticket = undefined;
    if (ticket !== undefined) this.report(ticket as Ticket, error);
    if (error === undefined) {
      this.parts.budget.succeeded();
      return false;
    }
    if (trip.request.pinned !== undefined || !this.mayRepeat(trip, error)) return false;
    return this.repeatLater(trip, next);
  }

  private attempt(trip: Trip, next: Enter): void {
    const { breaker, node } = this.parts;
    const ticket = breaker.enter();
    if (ticket === undefined) {
      const { retryAfterMs, lastError } = breaker;
      trip.settle(new CircuitOpenError(node, retryAfterMs, lastError), undefined);
      return;
    }
    trip.ticket = ticket;
    trip.attempts++;
    next(trip);
  }

  private report(ticket: Ticket, error: DatabaseError | undefined): void {
    const { breaker } = this.parts;
    if (error === undefined) breaker.succeeded(ticket);
    else if (error.outage) breaker.failed(ticket, error);
    else if (isNeutral(error)) breaker.abandoned(ticket);
    else breaker.succeeded(ticket);
  }

  private mayRepeat(trip: Trip, error: DatabaseError): boolean {
    if (trip.hasAlternative || trip.attempts >= this.parts.retry.attempts) return false;
    const scope = judgeError(error).retry;
    if (scope === 'no') return false;
    return scope !== 'repeatable' || trip.request.repeatable;
  }

  private repeatLater(trip: Trip, next: Enter): boolean {
    const { clock, retry, budget } = this.parts;
    const nowMs = clock.monotonicMs();
    const atMs = nowMs + backoffMs(retry, trip.attempts);
    if (atMs >= (trip.deadlineAtMs ?? Number.POSITIVE_INFINITY) || !budget.take()) return false;
    this.backoff ??= {
      due: (waiting) => {
        waiting.leave();
        this.attempt(waiting, next);
      },
      interrupt: (waiting, reason) => waiting.settle(reason, undefined),
    };
    trip.begin(this.backoff, nowMs, atMs);
    return true;
  }
}
