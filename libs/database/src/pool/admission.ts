// Who may wait for a connection, who is served next, and who is sent away.
import type { Clock } from '../kernel/clock.js';
import { PoolDeadlockError, PoolOverloadedError, PoolTimeoutError } from '../kernel/errors.js';
import type { DatabaseError, PoolFigures, RefusalReason } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Holding } from '../query/trip.js';
import type { Lease } from './lease.js';
import { NestedWaits } from './nested-waits.js';
import type { PoolCounters } from './pool-counters.js';
import type { PoolOptions } from './pool.options.js';
import { QueueDelay } from './queue-delay.js';
import { WaitQueue } from './wait-queue.js';
import type { Waiter } from './wait-queue.js';

/** The pool as its queue sees it. */
export interface AdmittingPool {
  /** As they are now: a pool may be resized. */
  readonly options: PoolOptions;
  readonly leases: ReadonlySet<Lease>;
  /** Connections that somebody uses. */
  readonly leased: number;
  /** True when each connection that the pool may have is held by a lease. */
  readonly isLeasedOut: boolean;
}

/** What an admission works with. */
export interface AdmissionParts {
  readonly node: string;
  readonly events: Events;
  readonly clock: Clock;
  readonly counters: PoolCounters;
  readonly pool: AdmittingPool;
}

/** Share of the target that each may wait under overload, those who have to go first in front. */
const SHARES = [
  ['low', 0.5],
  ['normal', 1],
] as const;

/** The queue before a pool and its rules. Times are monotonic, in ms. */
export class Admission {
  readonly queue = new WaitQueue();
  private readonly delay: QueueDelay;
  private readonly nestedWaits: NestedWaits;
  /** Since when callers are sent away; undefined while nobody is. */
  private refusing: { readonly sinceMs: number; lastAtMs: number; refused: number } | undefined;

  constructor(private readonly parts: AdmissionParts) {
    this.delay = new QueueDelay(parts.pool.options);
    this.nestedWaits = new NestedWaits({
      ...parts,
      queue: this.queue,
      deadlocked: (waiter) => this.deadlocked(waiter),
    });
    this.pause();
  }

  figures(): PoolFigures {
    const { leased, options } = this.parts.pool;
    return { leased, max: options.max, waiting: this.queue.size };
  }

  /** The figures for an event. */
  facts(): PoolFigures & { readonly node: string } {
    return { node: this.parts.node, ...this.figures() };
  }

  /** Nobody serves the queue: the time until {@link restart} counts as nobody's wait. */
  pause(): void {
    this.delay.restart(Number.POSITIVE_INFINITY);
  }

  /** The queue is served from now on. */
  restart(nowMs: number): void {
    this.delay.restart(nowMs);
  }

  /** Queues a waiter, or refuses him; true when he waits. `coming` is how many connections may still be opened. */
  enter(waiter: Waiter, coming: number, nowMs: number): boolean {
    this.look(nowMs);
    waiter.isNested = this.nestedWaits.leaseOf(waiter.holding) !== undefined;
    const isFull = this.queue.size >= this.parts.pool.options.maxWaiting + coming;
    const leaving = isFull ? (this.queue.evictFor(waiter) ?? waiter) : undefined;
    if (leaving !== waiter) {
      waiter.queuedAtMs = nowMs;
      this.queue.push(waiter);
      if (waiter.isNested) this.nestedWaits.watch();
    }
    if (leaving !== undefined) this.refuse(leaving, 'full', nowMs);
    return leaving !== waiter;
  }

  /** Who gets the next connection; undefined when nobody waits, or it is not for him who comes next. */
  next(nowMs: number, isFit?: (waiter: Waiter) => boolean): Waiter | undefined {
    if (this.queue.size === 0) {
      if (this.refusing !== undefined) this.look(nowMs);
      return undefined;
    }
    this.look(nowMs);
    return this.queue.shift(this.delay.isOverloaded, isFit);
  }

  /** Measures the queue, and sends away who has waited too long under overload. */
  look(nowMs: number): void {
    const { delay, queue } = this;
    const normalAtMs = queue.oldest('normal')?.queuedAtMs;
    const lowAtMs = queue.oldest('low')?.queuedAtMs;
    delay.look(earlier(normalAtMs, lowAtMs), nowMs);
    if (delay.isOverloaded) this.shed(nowMs);
    if (this.refusing !== undefined && !delay.isOverloaded) this.recover(this.refusing, nowMs);
  }

  /** Code that holds `holding` asks for a connection; `waits` when none is free. */
  nested(holding: Holding, waits: boolean): void {
    this.nestedWaits.tell(holding, waits);
  }

  /** The error for a waiter whose time is up; counts it. `mend` where more is known than the figures say. */
  timeoutError(
    waitedMs: number,
    cause: DatabaseError | undefined,
    mend?: string,
  ): PoolTimeoutError {
    this.parts.counters.acquireTimeouts++;
    return this.newTimeout(waitedMs, cause, mend);
  }

  /** The error for connections that did not come back in time. */
  stillInUse(waitedMs: number, mend: string): PoolTimeoutError {
    return this.newTimeout(waitedMs, undefined, mend);
  }

  /** Nobody waits any more, nor is watched. */
  close(error: DatabaseError): void {
    this.refuseAll(error);
    this.nestedWaits.stop();
  }

  refuseAll(error: DatabaseError): void {
    for (let waiter = this.queue.shift(); waiter !== undefined; waiter = this.queue.shift()) {
      waiter.refused(error);
    }
  }

  private shed(nowMs: number): void {
    for (const [priority, share] of SHARES) {
      let oldest = this.queue.oldest(priority);
      while (oldest !== undefined && this.delay.sheds(oldest.queuedAtMs, nowMs, share)) {
        this.queue.remove(oldest);
        this.refuse(oldest, 'slow', nowMs);
        oldest = this.queue.oldest(priority);
      }
    }
  }

  private refuse(waiter: Waiter, reason: RefusalReason, nowMs: number): void {
    const { node, events, counters } = this.parts;
    if (reason === 'full') counters.refused++;
    else counters.shed++;
    if (this.refusing === undefined) {
      this.refusing = { sinceMs: nowMs, lastAtMs: nowMs, refused: 0 };
      events.emit('pool:overloaded', { ...this.facts(), reason });
    }
    this.refusing.refused++;
    this.refusing.lastAtMs = nowMs;
    waiter.refused(new PoolOverloadedError(node, this.figures(), this.retryAfterMs(), reason));
  }

  /** Over when nobody waits any more, or nobody was sent away for a while. */
  private recover(
    { sinceMs, lastAtMs, refused }: NonNullable<Admission['refusing']>,
    nowMs: number,
  ): void {
    const { events, pool } = this.parts;
    if (this.queue.size > 0 && nowMs - lastAtMs < pool.options.queueIntervalMs) return;
    this.refusing = undefined;
    events.emit('pool:recovered', { ...this.facts(), tookMs: nowMs - sinceMs, refused });
  }

  private deadlocked(waiter: Waiter): void {
    const { node, clock, counters, events } = this.parts;
    this.queue.remove(waiter);
    counters.deadlocks++;
    events.emit('pool:deadlocked', this.facts());
    const waitedMs = clock.monotonicMs() - waiter.queuedAtMs;
    waiter.refused(new PoolDeadlockError(node, waitedMs, this.figures(), this.retryAfterMs()));
  }

  private newTimeout(waitedMs: number, cause: unknown, mend?: string): PoolTimeoutError {
    const { node } = this.parts;
    return new PoolTimeoutError(node, waitedMs, this.figures(), this.retryAfterMs(), cause, mend);
  }

  /** When a queue of this length should be gone: waiting * mean use / connections, at least 1 s. */
  private retryAfterMs(): number {
    const { counters, pool } = this.parts;
    return counters.queueMs(this.queue.size, pool.options.max);
  }
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}
