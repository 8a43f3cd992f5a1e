// Chooses the node of a trip, and another one when a replica fails it.
import {
  CircuitOpenError,
  ConnectionError,
  PoolOverloadedError,
  SerializationError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Stage } from '../query/stage.js';
import type { Trip } from '../query/trip.js';
import type { Node } from './node.js';
import { chooseForRead } from './router.js';
import type { RoutingOptions } from './routing.options.js';
import type { Topology } from './topology.js';

const NONE: readonly string[] = [];

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
  constructor(
    private readonly topology: Topology,
    private readonly options: RoutingOptions,
  ) {}

  enter(trip: Trip): void {
    const { pinned } = trip.request;
    if (pinned !== undefined) this.send(trip, this.topology.find(pinned.node));
    else this.send(trip, this.choose(trip));
  }

  settled(trip: Trip): boolean {
    const { error } = trip;
    if (error === undefined || !trip.hasAlternative || trip.node === undefined) return false;
    if (!isOfThisNode(error) || !(error.safeToRetry || trip.request.repeatable)) return false;
    trip.tried = [...(trip.tried ?? NONE), trip.node];
    const next = this.choose(trip);
    if (next === undefined) return false;
    this.send(trip, next);
    return true;
  }

  private choose(trip: Trip): Node | undefined {
    const { intent, consistency, maxLagMs } = trip.request;
    const primary = this.topology.primary();
    const wanted = intent === 'write' ? 'primary' : (consistency ?? this.options.consistency);
    if (wanted === 'primary') return primary;
    const replicas = this.topology.replicas();
    if (replicas.length === 0) return primary;
    return chooseForRead(
      { primary, replicas },
      { maxLagMs: maxLagMs ?? this.options.maxLagMs, tried: trip.tried ?? NONE },
    );
  }

  private send(trip: Trip, node: Node | undefined): void {
    if (node === undefined) {
      const known = this.topology.nodes.map(({ name, role }) => `${name}: ${role}`).join(', ');
      const message = `No primary is known (${known}). Check that one of the hosts takes writes.`;
      trip.settle(new ConnectionError(message, { safeToRetry: true, outage: true }), undefined);
      return;
    }
    trip.node = node.name;
    // Only a replica has somebody behind it: the other replicas, and the primary at last.
    trip.hasAlternative = node.role === 'replica' && trip.request.pinned === undefined;
    node.enter(trip);
  }
}
