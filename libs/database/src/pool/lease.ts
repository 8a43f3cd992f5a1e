// A borrowed connection: runs statements in the order they come, returns once, knows its borrower.
import type { Clock } from '../kernel/clock.js';
import { UsageError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
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
  /** The lease is over, and its COMMIT is under way: true when somebody else has the connection now. */
  passedOn(lease: Lease, connection: PooledConnection): boolean;
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
  private isReturned = false;
  /** True while a COMMIT runs that leaves no transaction open. */
  private isCommitting = false;
  /** True once somebody else has the connection, behind that COMMIT. */
  private isPassedOn = false;
  /** Commands that have to go ahead of the next statement, until they have run. */
  private opening: (() => readonly string[]) | undefined;
  private isOpening = false;
  /** Why nothing runs until the transaction is over: it could not be begun. */
  private refusal: DatabaseError | undefined;
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

  /** True while its COMMIT is under way: nothing else follows, so that it may be released. */
  get isEnding(): boolean {
    return this.isCommitting;
  }

  /** True after {@link release} or {@link drop}. */
  get isReleased(): boolean {
    return this.isOver;
  }

  /** Whether the connection still stands. */
  get isUsable(): boolean {
    return this.pooled.connection.isUsable;
  }

  /** As the borrower has to see it: `open` from {@link begin} on, though the server may not know of it yet. */
  get transactionStatus(): Connection['transactionStatus'] {
    if (this.refusal !== undefined) return 'failed';
    return this.opening === undefined ? this.pooled.transactionStatus : 'open';
  }

  /** False when {@link begin} was called and the server has begun nothing: there is nothing to end. */
  get hasBegun(): boolean {
    return this.refusal === undefined && (this.opening === undefined || this.isOpening);
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

  /**
   * Begins a transaction with the next statement: the texts that `opening` gives then go ahead of it, in its round trip.
   * Without a statement nothing is sent. Call it while nothing runs.
   */
  begin(opening: () => readonly string[]): void {
    this.opening = opening;
  }

  /** The transaction is over for its borrower, and the server has begun none. */
  forgetBegin(): void {
    this.opening = undefined;
    this.refusal = undefined;
  }

  enter(trip: Trip): void {
    if (this.refusal !== undefined) trip.settle(this.refusal, undefined);
    else if (this.isOver) {
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
  freed(_connection?: PooledConnection, error?: DatabaseError): void {
    this.isBusy = this.isCommitting = false;
    if (this.isOpening) this.opened(error);
    const { refusal } = this;
    if (this.isOver) this.giveBack();
    // After the one that failed was told: of statements given together its error is the one to be seen.
    else if (refusal !== undefined) queueMicrotask(() => this.refuseQueued(refusal));
    else {
      const trip = this.queue.shift();
      if (trip !== undefined) this.run(trip);
    }
  }

  /** Refuses what waits behind the statement under way, with `error`. */
  refuseQueued(error: DatabaseError): void {
    for (const trip of this.queue.splice(0)) trip.settle(error, undefined);
  }

  /** Ends the statement under way, on the server too; no-op without one. */
  abort(error: DatabaseError): void {
    if (this.isBusy) this.pooled.abort(error);
  }

  /**
   * Gives the connection back; after the statement under way, if there is one. What waits is refused. While that is a
   * COMMIT, who waits for a connection to begin a transaction has it at once.
   * @throws UsageError when it was given back before.
   */
  release(options: { readonly reset?: boolean } = {}): void {
    this.end();
    this.resets = options.reset ?? false;
    if (!this.isBusy) this.giveBack();
    else if (this.isCommitting && !this.resets) {
      this.isPassedOn = this.home.passedOn(this, this.pooled);
    }
  }

  /** Gives the connection up, also while it is on its way back; no-op once it is back. */
  drop(reason: string): void {
    if (this.isReturned) return;
    if (!this.isOver) this.end();
    this.isReturned = true;
    this.home.dropped(this, this.pooled, reason);
  }

  private giveBack(): void {
    if (this.isReturned) return;
    this.isReturned = true;
    if (!this.isPassedOn) this.home.returned(this, this.pooled, this.resets);
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
    this.isCommitting = trip.request.endsTransaction === true;
    this.runs++;
    this.isOpening = this.opening !== undefined;
    this.pooled.start(trip, this, this.opening?.());
  }

  /** The statement that was to open the transaction is answered. */
  private opened(error: DatabaseError | undefined): void {
    this.isOpening = false;
    const { isUsable, transactionStatus } = this.pooled.connection;
    const isOutside = error !== undefined && isUsable && transactionStatus === 'idle';
    // Nothing was sent, for one of its values could not be: the next statement opens it.
    if (isOutside && error.safeToRetry) return;
    this.opening = undefined;
    if (!isOutside) return;
    // What follows must not run in autocommit; a server says the same of a transaction that has failed.
    const message = `The transaction could not be begun: ${error.message}`;
    this.refusal = new QueryError(message, { sqlState: '25P02', cause: error });
  }
}
