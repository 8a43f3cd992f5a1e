// One read on a shared connection, and the batch it travels in.
import type { DatabaseError } from '../kernel/errors.js';
import type { Reply } from '../driver/driver.js';
import type { Statement } from '../query/query.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Fingerprint } from './fingerprint.js';

/** Who sends it. */
export interface SlotOwner {
  replied(slot: LaneSlot, error: DatabaseError | undefined, result: unknown): void;
  timedOut(slot: LaneSlot, trip: Trip): void;
  drop(slot: LaneSlot): void;
}

/** Reads of one shape that the server answers together. */
export class Batch {
  size = 0;
  /** What all of them took, in ms; undefined until they are answered. */
  tookMs: number | undefined;
}

/** One read on a shared connection. */
export class LaneSlot implements Reply, Phase {
  next: LaneSlot | undefined;
  /** Undefined until it leaves, with the turn. */
  batch: Batch | undefined;
  /** Undefined once nobody waits for the answer any more. */
  trip: Trip | undefined;
  readonly statement: Statement;
  /** What one of its shape took when it was sent, in ms. */
  readonly usualMs: number;

  constructor(
    private readonly member: SlotOwner,
    trip: Trip,
    readonly fingerprint: Fingerprint,
    /** When it left; until then, when it came. */
    public sentAtMs: number,
    /** Where it was before, when it was rescued or skipped. */
    readonly from: LaneSlot | undefined,
  ) {
    this.trip = trip;
    this.statement = trip.statement;
    this.usualMs = fingerprint.usualMs;
  }

  replied(error: DatabaseError | undefined, result: unknown): void {
    this.member.replied(this, error, result);
  }

  due(trip: Trip): void {
    this.member.timedOut(this, trip);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    this.member.drop(this);
    trip.settle(error, undefined);
  }

  /** Ends it with this error, if anybody waits for it. */
  abort(error: DatabaseError): void {
    if (this.trip !== undefined) this.interrupt(this.trip, error);
  }
}
