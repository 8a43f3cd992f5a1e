// A borrowed connection: runs statements in the order they come, returns once, knows its borrower.
import type { Clock } from '../kernel/clock.js';
import { UsageError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { LeaseFacts } from '../kernel/event-map.js';
import type { Connection } from '../driver/driver.js';
import type { Phase, Pinned, Trip } from '../query/trip.js';
import { borrowerOf } from './borrow-sampler.js';
import type { BorrowPlace } from './borrow-sampler.js';
import type { ConnectionOwner, PooledConnection } from './pooled-connection.js';

/** Where a lease returns to. */
export interface LeaseHome {
  readonly node: string;
  readonly clock: Clock;
  /** The lease is over: `reset` when session state may have been touched. */
  returned(lease: Lease, connection: PooledConnection, reset: boolean): void;
  /** The lease is over and so is its connection. */
  dropped(lease: Lease, connection: PooledConnection, reason: string): void;
}

/** One connection for one borrower. Statements given at the same time run one after the other. */
export class Lease implements Pinned, ConnectionOwner {
  readonly node: string;
  /** Set by the pool once it has reported this lease as leaked. */
  isReported = false;
  /** Statements so far. */
  runs = 0;
  private readonly queue: Trip[] = [];
  private isBusy = false;
  private isOver = false;
  private resets = false;
  private readonly queued: Phase = {
    due: (trip) =>
      this.queued.interrupt(
        trip,
        new UsageError(
          `The statement waited for its turn on its connection until its time was up: ${trip.statement.text.slice(0, 80)}`,
        ),
      ),
    interrupt: (trip, error) => {
      this.queue.splice(this.queue.indexOf(trip), 1);
      trip.settle(error, undefined);
    },
  };

  constructor(
    private readonly home: LeaseHome,
    private readonly pooled: PooledConnection,
    private readonly borrowedAt: BorrowPlace | undefined,
  ) {
    this.node = home.node;
  }

  /** True while a statement runs on it. */
  get isWorking(): boolean {
    return this.isBusy;
  }

  /** True after {@link release} or {@link drop}. */
  get isReleased(): boolean {
    return this.isOver;
  }

  /** Whether the connection still stands. */
  get isUsable(): boolean {
    return this.pooled.connection.isUsable;
  }

  get transactionStatus(): Connection['transactionStatus'] {
    return this.pooled.connection.transactionStatus;
  }

  /**
   * The bare connection, for cursors, COPY and other libraries' submittables. The borrower sees to it
   * that nothing else runs meanwhile.
   * @throws UsageError after the lease was returned.
   */
  get connection(): Connection {
    if (this.isOver)
      throw new UsageError(
        `A lease of "${this.node}" was used after its release. Keep it inside its callback.`,
      );
    return this.pooled.connection;
  }

  facts(): LeaseFacts {
    return {
      node: this.node,
      backendPid: this.pooled.connection.backendPid,
      heldMs: this.home.clock.monotonicMs() - this.pooled.takenAtMs,
      lastText: this.pooled.lastText,
      borrowedAt: borrowerOf(this.borrowedAt),
    };
  }

  enter(trip: Trip): void {
    if (this.isOver) {
      trip.settle(
        new UsageError(
          `A lease of "${this.node}" was used after its release. Keep it inside its callback.`,
        ),
        undefined,
      );
    } else if (this.isBusy) {
      this.queue.push(trip);
      trip.begin(this.queued, this.home.clock.monotonicMs(), Number.POSITIVE_INFINITY);
    } else this.run(trip);
  }

  /** @internal */
  freed(): void {
    this.isBusy = false;
    if (this.isOver) this.home.returned(this, this.pooled, this.resets);
    else {
      const trip = this.queue.shift();
      if (trip !== undefined) this.run(trip);
    }
  }

  /** Refuses what waits behind the statement under way, with `error`. */
  refuseQueued(error: UsageError): void {
    for (const trip of this.queue.splice(0)) trip.settle(error, undefined);
  }

  /** Ends the statement under way, on the server too; no-op without one. */
  abort(error: DatabaseError): void {
    if (this.isBusy) this.pooled.abort(error);
  }

  /**
   * Gives the connection back; after the statement under way, if there is one. What waits is refused.
   * @throws UsageError when it was given back before.
   */
  release(options: { readonly reset?: boolean } = {}): void {
    this.end();
    this.resets = options.reset ?? false;
    if (!this.isBusy) this.home.returned(this, this.pooled, this.resets);
  }

  /** Gives the connection up; no-op after the end of the lease. */
  drop(reason: string): void {
    if (this.isOver) return;
    this.end();
    this.home.dropped(this, this.pooled, reason);
  }

  private end(): void {
    if (this.isOver)
      throw new UsageError(`A lease of "${this.node}" was released twice. Release it once.`);
    this.isOver = true;
    // Asked first, because making an error costs as much as a short statement.
    if (this.queue.length === 0) return;
    const message = `A lease of "${this.node}" was released while statements waited on it. Await them first.`;
    this.refuseQueued(new UsageError(message));
  }

  private run(trip: Trip): void {
    trip.leave();
    this.isBusy = true;
    this.runs++;
    this.pooled.run(trip, this);
  }
}
