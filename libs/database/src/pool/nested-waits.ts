// Code that holds a connection and waits for another one of the same pool: told, and ended when nobody can go on.
import type { Clock, Timer } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { Holding, Pinned } from '../query/trip.js';
import type { Lease } from './lease.js';
import type { Waiter, WaitQueue } from './wait-queue.js';

/** What a watch works with. */
export interface NestedWaitsParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly queue: WaitQueue;
  /** `acquired` changes with each connection that is handed out. */
  readonly counters: { readonly acquired: number };
  readonly pool: { readonly leases: ReadonlySet<Lease>; readonly isLeasedOut: boolean };
  /** Ends the wait of somebody of whom it is certain that it would be in vain. */
  readonly deadlocked: (waiter: Waiter) => void;
}

/**
 * Time between two looks, in ms. Two in a row have to see the same: code that did not await the inner call sends its
 * next statement, or gives its connection back, meanwhile.
 */
const LOOK_MS = 25;

/** Watches for as long as somebody in the queue holds a connection. */
export class NestedWaits {
  private timer: Timer | undefined;
  /** What the last look saw when all stood still; undefined when somebody worked. */
  private stillAt: number | undefined;
  private hasTold = false;

  constructor(private readonly parts: NestedWaitsParts) {}

  /** The lease of this pool that the code holds; undefined when it holds none. */
  leaseOf(holding: Holding | undefined): Lease | undefined {
    for (let held = holding; held !== undefined; held = held.outer) {
      // A lease of another pool is never in the set.
      const lease = held.lease as Lease;
      if (this.parts.pool.leases.has(lease)) return lease;
    }
    return undefined;
  }

  /** Tells of code that takes a connection beside the one it holds. */
  tell(holding: Holding, waits: boolean): void {
    const lease = this.leaseOf(holding);
    if (lease === undefined || (this.hasTold && !waits)) return;
    this.hasTold = true;
    this.parts.events.emit('lease:nested', { ...lease.facts(), waits });
  }

  /** Somebody who holds a connection waits. */
  watch(): void {
    this.timer ??= this.parts.clock.schedule(() => this.look(), LOOK_MS);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.stillAt = undefined;
  }

  private look(): void {
    this.timer = undefined;
    const { queue, deadlocked } = this.parts;
    const newest = queue.newestNested;
    if (newest === undefined) return;
    const mark = this.markOfStandstill();
    if (mark !== undefined && mark === this.stillAt) {
      this.stillAt = undefined;
      deadlocked(newest);
    } else this.stillAt = mark;
    if (queue.nestedSize > 0) this.watch();
  }

  /** A number that changes as soon as anybody works; undefined when somebody does now, or a connection may come free. */
  private markOfStandstill(): number | undefined {
    const { pool, counters, queue } = this.parts;
    const { leases, isLeasedOut } = pool;
    if (!isLeasedOut) return undefined;
    let mark = counters.acquired;
    for (const lease of leases) {
      if (lease.isWorking) return undefined;
      mark += lease.runs;
    }
    const waiting = new Set<Pinned>();
    for (const waiter of queue.eachNested()) {
      for (let held = waiter.holding; held !== undefined; held = held.outer)
        waiting.add(held.lease);
    }
    for (const lease of leases) if (!waiting.has(lease)) return undefined;
    return mark;
  }
}
