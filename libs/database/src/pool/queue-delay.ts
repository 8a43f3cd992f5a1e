// Controlled delay: tells a queue that is slow for good from one that works off a burst.
import type { PoolOptions } from './pool.options.js';

/** Nobody has looked for this long: the process itself stood still, which says nothing about the queue, in ms. */
const STALL_MS = 3_000;

/**
 * Watches the time that the oldest waiter has spent in the queue, on the monotonic clock. It is overloaded when that
 * time stays above the target for a whole interval, and until the queue is empty or nobody had to be shed for an
 * interval. After Nichols and Jacobson, "Controlling Queue Delay" (2012); serving the newest first meanwhile is
 * Facebook's addition ("Fail at Scale", 2015). Times in ms.
 */
export class QueueDelay {
  isOverloaded = false;
  private aboveSinceMs: number | undefined;
  private lookedAtMs = 0;
  private shedAtMs = 0;
  /** Before it there was nobody to serve the queue: no connection stood, or the pool was suspended. */
  private servingSinceMs = 0;

  constructor(private readonly options: Pick<PoolOptions, 'queueTargetMs' | 'queueIntervalMs'>) {}

  /** The queue is served from now on: what was waited before does not count. */
  restart(nowMs: number): void {
    this.servingSinceMs = nowMs;
    this.aboveSinceMs = undefined;
    this.isOverloaded = false;
  }

  /** Looks at the queue; `oldestAtMs` is when the oldest of those who may be shed came, undefined without any. */
  look(oldestAtMs: number | undefined, nowMs: number): void {
    const { queueTargetMs, queueIntervalMs } = this.options;
    const hasStalled = nowMs - this.lookedAtMs > STALL_MS;
    this.lookedAtMs = nowMs;
    if (queueTargetMs === 0) return;
    if (oldestAtMs === undefined) {
      this.aboveSinceMs = undefined;
      this.isOverloaded = false;
    } else if (this.waitedMs(oldestAtMs, nowMs) <= queueTargetMs) {
      this.aboveSinceMs = undefined;
      if (nowMs - this.shedAtMs >= queueIntervalMs) this.isOverloaded = false;
    } else if (this.aboveSinceMs === undefined || hasStalled) this.aboveSinceMs = nowMs;
    else if (!this.isOverloaded && nowMs - this.aboveSinceMs >= queueIntervalMs) {
      this.isOverloaded = true;
      this.shedAtMs = nowMs;
    }
  }

  /** Whether somebody who came then has to go; `share` of the target is what he may wait. */
  sheds(queuedAtMs: number, nowMs: number, share: number): boolean {
    if (!this.isOverloaded) return false;
    if (this.waitedMs(queuedAtMs, nowMs) <= this.options.queueTargetMs * share) return false;
    this.shedAtMs = nowMs;
    return true;
  }

  private waitedMs(queuedAtMs: number, nowMs: number): number {
    return nowMs - Math.max(queuedAtMs, this.servingSinceMs);
  }
}
