// Chooses the node of a trip, and another one when this one fails it or has lost its role.
import type { Clock } from '../kernel/clock.js';
import {
  CircuitOpenError,
  ConnectionError,
  PoolOverloadedError,
  ReadOnlyError,
  SerializationError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Stage } from '../query/stage.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Node } from './node.js';
import { chooseForRead } from './router.js';
import type { RoutingOptions } from './routing.options.js';
import type { Topology } from './topology.js';

const NONE: readonly string[] = [];
/** Nodes that may refuse a write as read-only before the caller is told. */
const MAX_ROLE_CHANGES = 2;
/** Trips that may wait for a primary at a time. */
const MAX_WAITING = 5_000;

/** True for a failure of this node that says nothing about another one. */
function isOfThisNode(error: DatabaseError): boolean {
  return (
    error.outage ||
    error instanceof CircuitOpenError ||
    error instanceof PoolOverloadedError ||
    // On a replica this is a conflict with recovery; only there has the trip an alternative.
    error instanceof SerializationError
  );
}

/** Sends writes to the primary and reads to whoever may answer them. */
export class RoutingStage implements Stage {
  private readonly waiting: Phase = {
    due: (trip) => this.giveUp(trip),
    interrupt: (trip, error) => {
      this.waiters.delete(trip);
      trip.node = undefined;
      trip.settle(error, undefined);
    },
  };
  /** Trips that wait for somebody to become primary. */
  private readonly waiters = new Set<Trip>();

  constructor(
    private readonly topology: Topology,
    private readonly options: RoutingOptions,
    private readonly clock: Clock,
  ) {
    topology.onLook(() => this.wake());
  }

  enter(trip: Trip): void {
    const { pinned } = trip.request;
    if (pinned !== undefined) this.send(trip, this.topology.find(pinned.node));
    else this.send(trip, this.choose(trip));
  }

  settled(trip: Trip): boolean {
    const { error, node } = trip;
    if (error === undefined || node === undefined || trip.request.pinned !== undefined)
      return false;
    if (trip.hasAlternative) return this.tryAnother(trip, error, node);
    return this.topology.hasOthers && this.followPrimary(trip, error, node);
  }

  private tryAnother(trip: Trip, error: DatabaseError, node: string): boolean {
    if (!isOfThisNode(error) || !(error.safeToRetry || trip.request.repeatable)) return false;
    trip.tried = [...(trip.tried ?? NONE), node];
    const next = this.choose(trip);
    if (next === undefined) return false;
    this.send(trip, next);
    return true;
  }

  /** The primary failed the trip: does another node have its role by now? */
  private followPrimary(trip: Trip, error: DatabaseError, node: string): boolean {
    // The server itself says that it is read-only now; it did not run the statement.
    const hasLostRole = error instanceof ReadOnlyError && trip.isSent;
    if (hasLostRole) {
      this.topology.demoted(node);
      trip.tried = [...(trip.tried ?? NONE), node];
      // A primary that refuses writes for another reason (default_transaction_read_only) would be asked for ever.
      if (trip.tried.length > MAX_ROLE_CHANGES) return false;
    } else if (error.outage) this.topology.lookNow();
    const concernsNode = hasLostRole || isOfThisNode(error);
    const mayRepeat = hasLostRole || error.safeToRetry || trip.request.repeatable;
    if (!concernsNode || !mayRepeat) return false;
    const primary = this.topology.primary();
    if (primary !== undefined && primary.name !== node) this.send(trip, primary);
    else if (hasLostRole) this.wait(trip);
    else return false;
    return true;
  }

  private choose(trip: Trip): Node | undefined {
    const { intent, consistency, maxLagMs } = trip.request;
    const { after } = trip;
    const primary = this.topology.primary();
    const wanted = intent === 'write' ? 'primary' : (consistency ?? this.options.consistency);
    if (wanted === 'primary' || after === 'primary') return primary;
    const replicas = this.topology.replicas();
    if (replicas.length === 0) return primary;
    return chooseForRead(
      { primary, replicas },
      { maxLagMs: maxLagMs ?? this.options.maxLagMs, tried: trip.tried ?? NONE, after },
    );
  }

  private send(trip: Trip, node: Node | undefined): void {
    if (node === undefined) {
      this.wait(trip);
      return;
    }
    trip.node = node.name;
    // Only a replica has somebody behind it: the other replicas, and the primary at last.
    trip.hasAlternative = node.role === 'replica' && trip.request.pinned === undefined;
    node.enter(trip);
  }

  /** Nobody takes writes now. During a failover somebody soon will. */
  private wait(trip: Trip): void {
    if (this.waiters.size >= MAX_WAITING) {
      this.giveUp(trip);
      return;
    }
    this.waiters.add(trip);
    const nowMs = this.clock.monotonicMs();
    trip.begin(this.waiting, nowMs, nowMs + this.options.failoverWaitMs);
    this.topology.lookNow();
  }

  /** After each probe: those who wait go on as soon as there is a primary. */
  private wake(): void {
    if (this.waiters.size === 0) return;
    const primary = this.topology.reachablePrimary();
    if (primary === undefined) return;
    for (const trip of [...this.waiters]) {
      this.waiters.delete(trip);
      trip.leave();
      this.send(trip, primary);
    }
  }

  private giveUp(trip: Trip): void {
    this.waiters.delete(trip);
    const known = this.topology.nodes.map(({ name, role }) => `${name}: ${role}`).join(', ');
    const message = `No primary is known (${known}). Check that one of the hosts takes writes.`;
    // No node has the trip any more: on its way back there is nobody to follow.
    trip.node = undefined;
    trip.settle(new ConnectionError(message, { safeToRetry: true, outage: true }), undefined);
  }
}
