// Trips without a primary: they wait for somebody to take the role, or for the one they had to come back.
import type { Clock } from '../kernel/clock.js';
import { CircuitOpenError, ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Node } from './node.js';
import type { Topology } from './topology.js';

/** What the waiting works with. */
export interface FailoverWaitParts {
  readonly topology: Topology;
  readonly clock: Clock;
  /** Longest wait of a trip, all its waits together, in ms; 0: nobody waits. */
  readonly waitMs: number;
  /** Sends a trip on its way again. */
  readonly send: (trip: Trip, primary: Node) => void;
}

/** What took the primary away from a trip. */
export interface PrimaryFailure {
  readonly node: string;
  readonly error: DatabaseError;
}

/** What a trip has behind it; its `failover`. */
interface Failover {
  /** Monotonic: its waits are over by then. */
  readonly untilMs: number;
  waits: number;
  failure: (PrimaryFailure & { readonly atMs: number }) | undefined;
}

/** Trips that may wait at a time. */
const MAX_WAITING = 5_000;
/** Waits of one trip: a statement that brings down the server it runs on must not do so for ever. */
const MAX_WAITS = 3;

/** True when the server is gone, or was so often that its circuit lets nobody in: another one may take over. */
export function isGone(error: DatabaseError): boolean {
  return error.outage || error instanceof CircuitOpenError;
}

/** Holds trips while there is no primary for them; each of them for a bounded time, and a bounded number. */
export class FailoverWait {
  private readonly waiters = new Set<Trip>();
  private isWaking = false;
  private readonly phase: Phase = {
    due: (trip) => {
      this.waiters.delete(trip);
      this.end(trip);
    },
    interrupt: (trip, error) => {
      this.waiters.delete(trip);
      trip.node = undefined;
      trip.settle(error, undefined);
    },
  };

  constructor(private readonly parts: FailoverWaitParts) {
    parts.topology.onLook(() => this.wake());
  }

  /** Lets the trip wait; false when it has waited enough, or too many do. */
  begin(trip: Trip, failure?: PrimaryFailure): boolean {
    const { clock, waitMs, topology } = this.parts;
    const nowMs = clock.monotonicMs();
    trip.failover ??= { untilMs: nowMs + waitMs, waits: 0, failure: undefined } satisfies Failover;
    const failover = trip.failover as Failover;
    if (failure !== undefined) failover.failure = { ...failure, atMs: nowMs };
    if (this.waiters.size >= MAX_WAITING || failover.waits >= MAX_WAITS) return false;
    if (nowMs >= failover.untilMs) return false;
    failover.waits++;
    this.waiters.add(trip);
    trip.begin(this.phase, nowMs, failover.untilMs);
    if (failure === undefined) topology.lookNow();
    return true;
  }

  /** Tells the caller why there is no answer. */
  end(trip: Trip): void {
    const failover = trip.failover as Failover;
    failover.waits = Number.POSITIVE_INFINITY;
    const { failure } = failover;
    if (failure !== undefined && isGone(failure.error)) {
      trip.node = failure.node;
      trip.settle(failure.error, undefined);
      return;
    }
    const message = `No primary is known (${this.parts.topology.describe()}). Check that one of the hosts takes writes.`;
    // No node has the trip any more.
    trip.node = undefined;
    const facts = { safeToRetry: true, outage: true, cause: failure?.error };
    trip.settle(new ConnectionError(message, facts), undefined);
  }

  /** True when the trip is on its way back with what {@link end} told. */
  isOver(trip: Trip): boolean {
    return (trip.failover as Failover | undefined)?.waits === Number.POSITIVE_INFINITY;
  }

  /** After each probe, and each success: those who wait go on as soon as there is a primary that lets them in. */
  wake(): void {
    // A trip that is sent may be answered before the next one goes: that answer wakes nobody.
    if (this.waiters.size === 0 || this.isWaking) return;
    const primary = this.parts.topology.reachablePrimary();
    if (primary === undefined) return;
    this.isWaking = true;
    try {
      for (const trip of [...this.waiters]) {
        // The first ones through a circuit are its probes: what they find decides about the others.
        if (!primary.isPassable) break;
        if (!hasNews(trip, primary) || !this.waiters.delete(trip)) continue;
        trip.leave();
        this.parts.send(trip, primary);
      }
    } finally {
      this.isWaking = false;
    }
  }
}

/** What a node said before it failed the trip is no reason to send the trip there again. */
function hasNews(trip: Trip, primary: Node): boolean {
  const { failure } = trip.failover as Failover;
  return (
    failure === undefined || failure.node !== primary.name || primary.answeredAfter(failure.atMs)
  );
}
