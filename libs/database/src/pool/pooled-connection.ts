// One connection of a pool: runs the trips of who has it and stops them on the server when it has to.
import type { Clock, Timer } from '../kernel/clock.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Connection, Reply, TransactionStatus } from '../driver/driver.js';
import type { Phase, Trip } from '../query/trip.js';
import type { PoolOptions } from './pool.options.js';

/** Who uses the connection now. */
export interface ConnectionOwner {
  /**
   * The connection has answered, by `error` where it is given, and nothing of the last statement can reach the next
   * one.
   */
  freed(connection: PooledConnection, error?: DatabaseError): void;
}

/** Has several trips on the connection at a time. */
export interface Sharer {
  /** Ends all of them with this error, on the server too. */
  abort(error: DatabaseError): void;
}
type Work = NonNullable<Trip['request']['work']>;

/** Longest time for a CancelRequest to be delivered, and then for the statement to end, in ms. */
const CANCEL_TIMEOUT_MS = 1_000;

/** What goes ahead of work that has only to wait for its turn. */
const NOTHING: readonly string[] = Object.freeze(['']);

/** One statement on the connection. */
class Run implements Reply, Phase {
  constructor(
    private readonly pooled: PooledConnection,
    /** Undefined once nobody waits for the answer any more. */
    public trip: Trip | undefined,
    readonly owner: ConnectionOwner,
  ) {}

  replied(error: DatabaseError | undefined, result: unknown): void {
    this.pooled.replied(this, error, result);
  }

  due(trip: Trip): void {
    this.pooled.timedOut(this, trip);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    this.pooled.stop(this, trip, error);
  }
}

/** A connection with its place in the pool's life. */
export class PooledConnection {
  idleSinceMs = 0;
  /** Monotonic time since which somebody has it, in ms. */
  takenAtMs = 0;
  lastText: string | undefined;
  /** Who shares it out while it is in the lane. */
  sharer: Sharer | undefined;
  /** What the connection had received when the node was first suspected. */
  private bytesAtSuspicion = 0;
  private run: Run | undefined;
  /** The COMMIT of who had it before, until it is answered: what runs now waits behind it on the server. */
  private ending: Run | undefined;
  private onceEnded: (() => void) | undefined;
  /** True when what runs now is to be cancelled as soon as a CancelRequest cannot hit that COMMIT. */
  private cancelsLater = false;
  private cancelling: Promise<void> | undefined;
  private grace: Timer | undefined;

  /** Monotonic time from which it is replaced, in ms; the pool may put it forward. */
  expiresAtMs: number;

  constructor(
    readonly connection: Connection,
    private readonly clock: Clock,
    private readonly options: PoolOptions,
    private readonly pool: { readonly node: string; readonly events: Events },
  ) {
    const { maxLifetimeMs } = options;
    // Spread, so that connections opened together are not replaced together.
    this.expiresAtMs =
      maxLifetimeMs === 0
        ? Number.POSITIVE_INFINITY
        : clock.monotonicMs() + maxLifetimeMs * (1 - Math.random() * 0.1);
  }

  /** True while the COMMIT of who had it before is under way. */
  get isEnding(): boolean {
    return this.ending !== undefined;
  }

  /** Where the session stands for who has it now: outside of a transaction, behind the COMMIT of somebody else. */
  get transactionStatus(): TransactionStatus {
    return this.ending === undefined ? this.connection.transactionStatus : 'idle';
  }

  /** Runs the trip, behind the commands of `preface`; `owner.freed` follows, after the trip is settled or before. */
  start(trip: Trip, owner: ConnectionOwner, preface?: readonly string[]): void {
    const nowMs = this.clock.monotonicMs();
    const { timeoutMs, work, endsTransaction } = trip.request;
    trip.isSent = true;
    const run = new Run(this, trip, owner);
    this.run = run;
    this.lastText = trip.statement.text;
    const limitMs =
      timeoutMs === undefined ? this.options.statementTimeoutMs : Number.POSITIVE_INFINITY;
    trip.begin(run, nowMs, nowMs + limitMs);
    // A COMMIT waits for the end of this turn: who comes behind it may be there by then, and goes along.
    const departure = endsTransaction === true ? 'turn' : 'now';
    if (work === undefined) this.connection.execute(trip.statement, run, preface, departure);
    else if (preface === undefined && !this.isEnding) this.work(work, run);
    else this.workBehind(preface ?? NOTHING, work, run);
  }

  /** Somebody else has the connection from now on; the COMMIT under way is not his, and is never cancelled. */
  passOn(): void {
    this.ending = this.run;
    this.run = undefined;
  }

  /** Calls back when that COMMIT is answered. */
  afterEnding(callback: () => void): void {
    this.onceEnded = callback;
  }

  /** Runs a statement of the pool's own; false when it failed or took longer than `timeoutMs`. */
  command(text: string, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.clock.schedule(() => this.connection.destroy(), timeoutMs, {
        keepsProcess: true,
      });
      const replied = (error: DatabaseError | undefined): void => {
        timer.cancel();
        resolve(error === undefined && this.connection.isUsable);
      };
      this.connection.execute({ text }, { replied });
    });
  }

  /** Remembers what was received by now. */
  suspect(): void {
    this.bytesAtSuspicion = this.connection.bytesRead;
  }

  /** Cuts the connection when it received nothing since. */
  sever(): void {
    if (this.connection.bytesRead === this.bytesAtSuspicion) this.connection.destroy();
  }

  /** Ends what runs now for who has the connection, if anything does. */
  abort(error: DatabaseError): void {
    const { run } = this;
    if (run?.trip !== undefined) this.stop(run, run.trip, error);
    else this.sharer?.abort(error);
  }

  /** @internal The driver calls when the server is ready again. */
  replied(run: Run, error: DatabaseError | undefined, result: unknown): void {
    const { trip, owner } = run;
    if (trip !== undefined) {
      trip.serverMs = this.clock.monotonicMs() - trip.phaseStartedAtMs;
      trip.leave();
      if (error === undefined) trip.fingerprint?.ranAlone(trip.serverMs);
    }
    if (run === this.ending) this.ended();
    else {
      this.run = undefined;
      this.grace?.cancel();
    }
    if (this.cancelling === undefined) owner.freed(this, error);
    else void this.cancelling.then(() => owner.freed(this, error));
    trip?.settle(error, result);
  }

  /** @internal */
  timedOut(run: Run, trip: Trip): void {
    this.stop(run, trip, trip.timeoutError(this.clock.monotonicMs()));
  }

  /** @internal The caller gets his error now; the connection is free once the server has let go. */
  stop(run: Run, trip: Trip, error: DatabaseError): void {
    run.trip = undefined;
    trip.serverMs = this.clock.monotonicMs() - trip.phaseStartedAtMs;
    if (trip.request.uncancellable !== true) {
      if (this.ending === undefined) this.beginCancel();
      else this.cancelsLater = true;
    }
    trip.settle(error, undefined);
  }

  private ended(): void {
    const { onceEnded, cancelsLater } = this;
    this.ending = this.onceEnded = undefined;
    this.cancelsLater = false;
    if (cancelsLater && this.run !== undefined) this.beginCancel();
    onceEnded?.();
  }

  private work(work: Work, run: Run): void {
    void work(this.connection as never).then(
      (result) => run.replied(undefined, result),
      (error: unknown) => run.replied(error as DatabaseError, undefined),
    );
  }

  /** Work talks to the server by itself, so that what goes ahead of it takes a round trip of its own. */
  private workBehind(preface: readonly string[], work: Work, run: Run): void {
    const replied: Reply['replied'] = (error) => {
      // Stopped meanwhile, nobody waits for the work any more.
      if (error !== undefined || run.trip === undefined) run.replied(error, undefined);
      else this.work(work, run);
    };
    this.connection.execute({ text: preface.at(-1) ?? '' }, { replied }, preface.slice(0, -1));
  }

  private beginCancel(): void {
    this.cancelling ??= this.cancel().finally(() => (this.cancelling = undefined));
  }

  private async cancel(): Promise<void> {
    const isOver = await this.connection.cancel(CANCEL_TIMEOUT_MS);
    if (!isOver) {
      // The request is still on its way, to hit whoever would have the connection next.
      this.giveUp('not taken up');
      return;
    }
    if (this.run === undefined) return;
    // A server that does not let go in time is dead or unreachable, or the request never came through.
    this.grace = this.clock.schedule(() => this.giveUp('no effect'), CANCEL_TIMEOUT_MS, {
      keepsProcess: true,
    });
  }

  /** The statement may run on, and nobody waits for it any more. */
  private giveUp(because: 'not taken up' | 'no effect'): void {
    const { connection, lastText: text = '' } = this;
    if (!connection.isUsable) return;
    const { node, events } = this.pool;
    events.emit('cancel:failed', { node, backendPid: connection.backendPid, text, because });
    connection.destroy();
  }
}
