// The leases of a pool: opened, given back, given up, reported.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { BorrowPlace } from './borrow-sampler.js';
import { Lease } from './lease.js';
import type { LeaseHome } from './lease.js';
import type { PooledConnection } from './pooled-connection.js';
import type { Waiter } from './wait-queue.js';

/** The pool as its leases see it. */
export interface LeasingPool {
  /** Takes a connection back; its session is reset first where it may have been touched. */
  give(pooled: PooledConnection, reset: boolean): void;
  /** Who takes it while its COMMIT is under way. */
  successor(pooled: PooledConnection): Waiter | undefined;
  discard(pooled: PooledConnection, reason: string): void;
}

/** What leases work with. */
export interface LeasesParts {
  readonly node: string;
  readonly clock: Clock;
  readonly events: Events;
}

/** Home of all leases of one pool. */
export class Leases implements LeaseHome {
  readonly node: string;
  readonly clock: Clock;
  /** Those that are open. */
  readonly open = new Set<Lease>();
  /** Those that were held too long, from the start of the process. */
  leaks = 0;
  private readonly events: Events;

  constructor(
    private readonly pool: LeasingPool,
    { node, clock, events }: LeasesParts,
  ) {
    this.node = node;
    this.clock = clock;
    this.events = events;
  }

  /** Turns a taken connection into a lease. */
  lease(pooled: PooledConnection, borrowedAt: BorrowPlace | undefined): Lease {
    const lease = new Lease(this, pooled, borrowedAt);
    this.open.add(lease);
    return lease;
  }

  returned(lease: Lease, pooled: PooledConnection, reset: boolean): void {
    this.close(lease);
    if (pooled.transactionStatus !== 'idle' && pooled.connection.isUsable) {
      this.events.emit('lease:dirty', lease.facts());
    }
    this.pool.give(pooled, reset);
  }

  passedOn(lease: Lease, pooled: PooledConnection): boolean {
    const waiter = this.pool.successor(pooled);
    if (waiter === undefined) return false;
    this.close(lease);
    pooled.passOn();
    waiter.granted(pooled);
    return true;
  }

  dropped(lease: Lease, pooled: PooledConnection, reason: string): void {
    this.open.delete(lease);
    this.pool.discard(pooled, reason);
  }

  private close(lease: Lease): void {
    this.open.delete(lease);
    if (lease.isReported) this.events.emit('lease:returned-late', lease.facts());
  }

  /** Counts a leak; the keeper found it. */
  leaked(lease: Lease): void {
    this.leaks++;
    lease.isReported = true;
    this.events.emit('lease:leaked', lease.facts());
  }
}
