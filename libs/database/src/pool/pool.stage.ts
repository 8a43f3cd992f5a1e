// The last stage: a connection for the trip, the statement on it, the connection back.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Stage } from '../query/stage.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Pool } from './pool.js';
import type { ConnectionOwner, PooledConnection } from './pooled-connection.js';
import { Waiter } from './wait-queue.js';

/** A trip in the queue. */
class WaitingTrip extends Waiter implements Phase {
  constructor(
    private readonly stage: PoolStage,
    readonly trip: Trip,
  ) {
    super(trip.request.priority, trip.request.holding);
    this.mayFollow = trip.request.beginsTransaction === true;
  }

  override granted(connection: PooledConnection): void {
    this.stage.granted(this.trip, connection);
  }

  override refused(error: DatabaseError): void {
    this.stage.refused(this.trip);
    this.trip.settle(error, undefined);
  }

  due(): void {
    this.stage.waitedTooLong(this);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    this.stage.left(this);
    trip.settle(error, undefined);
  }
}

/** Gives each trip a connection of one pool, or turns the connection into the lease it wants. */
export class PoolStage implements Stage, ConnectionOwner {
  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
  ) {}

  enter(trip: Trip): void {
    const { pinned, shape } = trip.request;
    if (pinned !== undefined) pinned.enter(trip);
    else if (shape === undefined || !this.pool.lane.takes(trip, shape, this)) this.alone(trip);
  }

  settled(trip: Trip): boolean {
    trip.fingerprint?.gave(trip.result);
    return false;
  }

  /** Gives the trip a connection of its own. */
  alone(trip: Trip): void {
    const { holding } = trip.request;
    const connection = this.pool.take();
    if (holding !== undefined) this.pool.admission.nested(holding, connection === undefined);
    if (connection === undefined) this.wait(trip);
    else this.use(trip, connection);
  }

  /** @internal */
  freed(connection: PooledConnection): void {
    this.pool.give(connection);
  }

  /** @internal */
  granted(trip: Trip, connection: PooledConnection): void {
    trip.waitMs += this.clock.monotonicMs() - trip.phaseStartedAtMs;
    this.use(trip, connection);
  }

  /** @internal */
  refused(trip: Trip): void {
    trip.waitMs += this.clock.monotonicMs() - trip.phaseStartedAtMs;
  }

  /** @internal */
  waitedTooLong(waiting: WaitingTrip): void {
    const { trip } = waiting;
    const waitedMs = this.clock.monotonicMs() - trip.phaseStartedAtMs;
    this.left(waiting);
    trip.settle(this.pool.timeoutError(waitedMs), undefined);
  }

  /** @internal */
  left(waiting: WaitingTrip): void {
    this.pool.abandon(waiting);
    waiting.trip.waitMs += this.clock.monotonicMs() - waiting.trip.phaseStartedAtMs;
  }

  private wait(trip: Trip): void {
    const waiting = new WaitingTrip(this, trip);
    const nowMs = this.clock.monotonicMs();
    trip.begin(waiting, nowMs, nowMs + this.pool.options.acquireTimeoutMs);
    this.pool.wait(waiting);
  }

  private use(trip: Trip, connection: PooledConnection): void {
    if (trip.needsPrimary && connection.connection.isStandby === true)
      this.refuse(trip, connection);
    else if (trip.request.wants === 'result') connection.start(trip, this);
    else trip.settle(undefined, this.pool.borrowed.lease(connection, trip.request.borrowedAt));
  }

  /** A standby would answer a read, with what it has by now. */
  private refuse(trip: Trip, connection: PooledConnection): void {
    const { node } = this.pool;
    this.pool.give(connection);
    const message = `"${node}" was taken for the primary, and its server is a standby. Nothing was sent.`;
    const facts = { sqlState: '25006', safeToRetry: true, transient: false };
    trip.settle(new ConnectionError(message, facts), undefined);
  }
}
