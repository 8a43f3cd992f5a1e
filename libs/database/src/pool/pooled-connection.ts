// One connection of a pool: runs one trip at a time and stops it on the server when it has to.
import type { Clock, Timer } from '../kernel/clock.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Connection, Reply } from '../driver/driver.js';
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

/** A connection with its place in the pool's life. */
export class PooledConnection implements Reply {
  idleSinceMs = 0;
  /** Monotonic time since which somebody has it, in ms. */
  takenAtMs = 0;
  lastText: string | undefined;
  /** Who shares it out while it is in the lane. */
  sharer: Sharer | undefined;
  /** What the connection had received when the node was first suspected. */
  private bytesAtSuspicion = 0;
  private trip: Trip | undefined;
  private owner: ConnectionOwner | undefined;
  private cancelling: Promise<void> | undefined;
  private grace: Timer | undefined;
  private readonly running: Phase = {
    due: (trip) => this.timedOut(trip),
    interrupt: (trip, error) => this.stop(trip, error),
  };

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

  /** Runs the trip, behind the commands of `preface`; `owner.freed` follows, after the trip is settled or before. */
  run(trip: Trip, owner: ConnectionOwner, preface?: readonly string[]): void {
    const nowMs = this.clock.monotonicMs();
    const { timeoutMs } = trip.request;
    trip.isSent = true;
    this.trip = trip;
    this.owner = owner;
    this.lastText = trip.statement.text;
    const limitMs =
      timeoutMs === undefined ? this.options.statementTimeoutMs : Number.POSITIVE_INFINITY;
    trip.begin(this.running, nowMs, nowMs + limitMs);
    const { work } = trip.request;
    if (work === undefined) this.connection.execute(trip.statement, this, preface);
    else if (preface === undefined) this.work(work);
    else this.workBehind(preface, work, trip);
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

  /** Ends what runs now, if anything does. */
  abort(error: DatabaseError): void {
    if (this.trip !== undefined) this.stop(this.trip, error);
    else this.sharer?.abort(error);
  }

  /** @internal The driver calls when the server is ready again. */
  replied(error: DatabaseError | undefined, result: unknown): void {
    const { trip, owner } = this;
    this.trip = undefined;
    this.owner = undefined;
    this.grace?.cancel();
    if (trip !== undefined) {
      trip.serverMs = this.clock.monotonicMs() - trip.phaseStartedAtMs;
      trip.leave();
      if (error === undefined) trip.fingerprint?.ranAlone(trip.serverMs);
    }
    if (this.cancelling === undefined) owner?.freed(this, error);
    else void this.cancelling.then(() => owner?.freed(this, error));
    trip?.settle(error, result);
  }

  private work(work: Work): void {
    void work(this.connection as never).then(
      (result) => this.replied(undefined, result),
      (error: unknown) => this.replied(error as DatabaseError, undefined),
    );
  }

  /** Work talks to the server by itself, so that what goes ahead of it takes a round trip of its own. */
  private workBehind(preface: readonly string[], work: Work, trip: Trip): void {
    const replied: Reply['replied'] = (error) => {
      // Stopped meanwhile, nobody waits for the work any more.
      if (error !== undefined || this.trip !== trip) this.replied(error, undefined);
      else this.work(work);
    };
    this.connection.execute({ text: preface.at(-1) ?? '' }, { replied }, preface.slice(0, -1));
  }

  private timedOut(trip: Trip): void {
    this.stop(trip, trip.timeoutError(this.clock.monotonicMs()));
  }

  /** The caller gets his error now; the connection is free once the server has let go. */
  private stop(trip: Trip, error: DatabaseError): void {
    this.trip = undefined;
    trip.serverMs = this.clock.monotonicMs() - trip.phaseStartedAtMs;
    if (trip.request.uncancellable !== true) {
      this.cancelling ??= this.cancel().finally(() => (this.cancelling = undefined));
    }
    trip.settle(error, undefined);
  }

  private async cancel(): Promise<void> {
    const isOver = await this.connection.cancel(CANCEL_TIMEOUT_MS);
    if (!isOver) {
      // The request is still on its way, to hit whoever would have the connection next.
      this.giveUp('not taken up');
      return;
    }
    if (this.owner === undefined) return;
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
