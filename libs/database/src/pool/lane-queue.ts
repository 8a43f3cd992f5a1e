// Those who wait for a place in the lane, and the lane itself where it waits for a connection.
import type { DatabaseError } from '../kernel/errors.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Fingerprint } from './fingerprint.js';
import type { LaneMember } from './lane-member.js';
import type { PooledConnection } from './pooled-connection.js';
import { Waiter } from './wait-queue.js';

/** The lane as those who wait for it see it. */
export interface AwaitedLane {
  readonly clock: { monotonicMs(): number };
  send(trip: Trip, fingerprint: Fingerprint, member: LaneMember): void;
  left(waiter: LaneWaiter): void;
  joined(pooled: PooledConnection): void;
  lacks(error: DatabaseError): void;
  timeoutError(waitedMs: number): DatabaseError;
}

/** A read that waits for a place in the lane. */
export class LaneWaiter extends Waiter implements Phase {
  constructor(
    private readonly awaited: AwaitedLane,
    private readonly trip: Trip,
    private readonly fingerprint: Fingerprint,
  ) {
    super(trip.request.priority);
  }

  /** The connection is one that is shared. */
  override granted(pooled: PooledConnection): void {
    this.waited();
    this.awaited.send(this.trip, this.fingerprint, pooled.sharer as LaneMember);
  }

  override refused(error: DatabaseError): void {
    this.waited();
    this.awaited.left(this);
    this.trip.settle(error, undefined);
  }

  due(trip: Trip): void {
    const waitedMs = this.waited();
    this.awaited.left(this);
    trip.settle(this.awaited.timeoutError(waitedMs), undefined);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    this.waited();
    this.awaited.left(this);
    trip.settle(error, undefined);
  }

  /** Counts the wait; in ms. */
  private waited(): number {
    const waitedMs = this.awaited.clock.monotonicMs() - this.trip.phaseStartedAtMs;
    this.trip.waitMs += waitedMs;
    return waitedMs;
  }
}

/** Waits for a connection of the pool in the name of all who wait for the lane. */
export class Recruit extends Waiter {
  constructor(private readonly awaited: AwaitedLane) {
    super();
  }

  override granted(pooled: PooledConnection): void {
    this.awaited.joined(pooled);
  }

  override refused(error: DatabaseError): void {
    this.awaited.lacks(error);
  }
}
