// Looks after a pool once a second: ages, idle connections, leaks, saturation, the warm minimum.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import { Ticker } from '../kernel/ticker.js';
import type { Lease } from './lease.js';
import type { PoolStats } from './pool-stats.js';
import type { PoolOptions } from './pool.options.js';
import type { PooledConnection } from './pooled-connection.js';

const EVERY_MS = 1_000;

/** The pool as its keeper sees it. */
export interface KeptPool {
  readonly options: PoolOptions;
  readonly connections: ReadonlySet<PooledConnection>;
  /** The least recently used one first. */
  readonly idleConnections: readonly PooledConnection[];
  readonly leases: ReadonlySet<Lease>;
  readonly borrowed: { leaked(lease: Lease): void };
  stats(): PoolStats;
  discard(pooled: PooledConnection, reason: string): void;
  /** Looks at the queue. */
  look(): void;
  grow(): void;
}

/** Background work of one pool. */
export class PoolKeeper {
  private readonly ticker: Ticker;
  private isSaturated = false;

  constructor(
    private readonly pool: KeptPool,
    private readonly parts: { readonly clock: Clock; readonly events: Events },
  ) {
    this.ticker = new Ticker({
      clock: parts.clock,
      everyMs: EVERY_MS,
      run: () => this.look(),
      failed: (error) => parts.events.emit('work:failed', { work: 'pool keeper', error }),
    });
  }

  start(): void {
    this.ticker.start();
  }

  stop(): Promise<void> {
    return this.ticker.stop();
  }

  private look(): void {
    this.retire();
    this.reportLeaks();
    this.reportSaturation();
    this.pool.look();
    this.pool.grow();
  }

  private retire(): void {
    const nowMs = this.parts.clock.monotonicMs();
    const { idleTimeoutMs, min } = this.pool.options;
    for (const pooled of [...this.pool.idleConnections]) {
      const isSpare = this.pool.connections.size > min;
      if (nowMs >= pooled.expiresAtMs) this.pool.discard(pooled, 'it reached its lifetime');
      else if (isSpare && nowMs - pooled.idleSinceMs >= idleTimeoutMs) {
        this.pool.discard(pooled, 'it was idle');
      }
    }
  }

  private reportLeaks(): void {
    const { leakDetectionMs } = this.pool.options;
    if (leakDetectionMs === 0) return;
    for (const lease of this.pool.leases) {
      if (!lease.isReported && lease.facts().heldMs >= leakDetectionMs)
        this.pool.borrowed.leaked(lease);
    }
  }

  private reportSaturation(): void {
    const { node, leased, max, utilizationRatio } = this.pool.stats();
    const isSaturated = utilizationRatio >= this.pool.options.saturationRatio;
    if (isSaturated === this.isSaturated) return;
    this.isSaturated = isSaturated;
    const name = isSaturated ? 'pool:saturated' : 'pool:relieved';
    this.parts.events.emit(name, { node, leased, max });
  }
}
