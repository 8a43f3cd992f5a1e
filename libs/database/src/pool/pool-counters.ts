// What a pool counts.

/** Weight of the newest use in the moving average. */
const WEIGHT = 0.1;
const RETRY_AFTER_MS = { min: 1_000, max: 30_000 };

/** Counters of one pool, from the start of the process. */
export class PoolCounters {
  acquired = 0;
  opened = 0;
  closed = 0;
  acquireTimeouts = 0;
  refused = 0;
  shed = 0;
  deadlocks = 0;
  private meanUseMs = 0;

  /** A connection came back after this time. */
  used(useMs: number): void {
    this.meanUseMs += (useMs - this.meanUseMs) * WEIGHT;
  }

  /** When a queue should be gone: waiting * mean use / connections, within 1 to 30 s. */
  queueMs(waiting: number, max: number): number {
    const estimateMs = (waiting * this.meanUseMs) / max;
    return Math.min(RETRY_AFTER_MS.max, Math.max(RETRY_AFTER_MS.min, estimateMs));
  }

  snapshot(): {
    acquiredCount: number;
    opened: number;
    closed: number;
    acquireTimeouts: number;
    refused: number;
    shed: number;
    deadlocks: number;
  } {
    const { acquired, opened, closed, acquireTimeouts, refused, shed, deadlocks } = this;
    return {
      acquiredCount: acquired,
      opened,
      closed,
      acquireTimeouts,
      refused,
      shed,
      deadlocks,
    };
  }
}
