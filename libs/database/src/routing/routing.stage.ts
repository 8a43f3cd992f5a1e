// Chooses the node of a trip, and another one when this one fails it or has lost its role.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError, PoolOverloadedError, ReplicasLostError } from '../kernel/errors.js';
import { ReadOnlyError, SerializationError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Stage } from '../query/stage.js';
import type { Trip } from '../query/trip.js';
import type { Node } from './node.js';
import { FailoverWait, isGone } from './failover-wait.js';
import { FallbackBudget } from './fallback-budget.js';
import { chooseForRead, chooseReplica } from './router.js';
import type { RoutingOptions } from './routing.options.js';
import type { Topology } from './topology.js';

const NONE: readonly string[] = [];
/** Nodes that may refuse a write as read-only before the caller is told. */
const MAX_ROLE_CHANGES = 2;
/** SQLSTATE of a write that a read-only server refuses; also that of a connection to a standby in place of a primary. */
const NOT_A_PRIMARY = '25006';

/** True for a failure of this node that says nothing about another one. */
function isOfThisNode(error: DatabaseError): boolean {
  return (
    isGone(error) ||
    error instanceof PoolOverloadedError ||
    // On a replica this is a conflict with recovery; only there has the trip an alternative.
    error instanceof SerializationError
  );
}

/**
 * The server itself says that it is read-only now: to a statement, which it did not run, to a new connection, or by the
 * connection that the trip was to get.
 */
function hasLostRole(trip: Trip, error: DatabaseError): boolean {
  if (error instanceof ConnectionError) return error.sqlState === NOT_A_PRIMARY;
  return error instanceof ReadOnlyError && trip.isSent;
}

/** Sends writes to the primary and reads to whoever may answer them. */
export class RoutingStage implements Stage {
  private readonly fallbacks: FallbackBudget;
  private readonly failovers: FailoverWait;

  constructor(
    private readonly topology: Topology,
    private readonly options: RoutingOptions,
    clock: Clock,
  ) {
    this.fallbacks = new FallbackBudget(options.fallbackRatio, clock);
    const send = (trip: Trip, primary: Node): void => this.send(trip, primary);
    this.failovers = new FailoverWait({ topology, clock, waitMs: options.failoverWaitMs, send });
  }

  enter(trip: Trip): void {
    const { pinned } = trip.request;
    if (pinned !== undefined) {
      this.send(trip, this.topology.find(pinned.node));
      return;
    }
    try {
      this.send(trip, this.choose(trip));
    } catch (error) {
      trip.settle(error as ReplicasLostError, undefined);
    }
  }

  settled(trip: Trip): boolean {
    const { error, node } = trip;
    if (error === undefined) {
      if (node !== undefined && trip.serverMs > 0) this.topology.find(node)?.took(trip.serverMs);
      this.failovers.wake();
      return false;
    }
    if (node === undefined || trip.request.pinned !== undefined) return false;
    if (this.failovers.isOver(trip)) return false;
    if (trip.hasAlternative) return this.tryAnother(trip, error, node);
    return this.topology.hasOthers
      ? this.followPrimary(trip, error, node)
      : this.followName(trip, error, node);
  }

  private tryAnother(trip: Trip, error: DatabaseError, node: string): boolean {
    if (!isOfThisNode(error) || !(error.safeToRetry || trip.request.repeatable)) return false;
    trip.tried = [...(trip.tried ?? NONE), node];
    const next = this.chooseAgain(trip);
    if (next !== undefined) this.send(trip, next);
    else if (this.topology.primary() !== undefined || !isGone(error)) return false;
    else return this.failovers.begin(trip, { node, error });
    return true;
  }

  /** The only node refused the write as read-only: new connections look up whether its name has moved. */
  private followName(trip: Trip, error: DatabaseError, node: string): boolean {
    if (!hasLostRole(trip, error)) return false;
    trip.tried = [...(trip.tried ?? NONE), node];
    if (trip.tried.length >= MAX_ROLE_CHANGES || !this.topology.demoted(node)) return false;
    this.send(trip, this.topology.primary());
    return true;
  }

  /** The primary failed the trip: does another node have its role by now? */
  private followPrimary(trip: Trip, error: DatabaseError, node: string): boolean {
    const isDemoted = hasLostRole(trip, error);
    if (isDemoted) {
      this.topology.demoted(node);
      trip.tried = [...(trip.tried ?? NONE), node];
      // A primary that refuses writes for another reason (default_transaction_read_only) would be asked for ever.
      if (trip.tried.length > MAX_ROLE_CHANGES) return false;
    } else if (error.outage) this.topology.lookNow();
    const concernsNode = isDemoted || isOfThisNode(error);
    const mayRepeat = isDemoted || error.safeToRetry || trip.request.repeatable;
    if (!concernsNode || !mayRepeat) return false;
    const primary = this.topology.primary();
    if (primary !== undefined && primary.name !== node) this.send(trip, primary);
    else if (!isDemoted) return isGone(error) && this.failovers.begin(trip, { node, error });
    else if (!this.failovers.begin(trip, { node, error })) this.failovers.end(trip);
    return true;
  }

  /** Another server, unless there is none or the primary has its share: then the failure itself is told. */
  private chooseAgain(trip: Trip): Node | undefined {
    try {
      return this.choose(trip);
    } catch {
      return undefined;
    }
  }

  /** @throws ReplicasLostError when no replica is fit, and the primary answers its share already. */
  private choose(trip: Trip): Node | undefined {
    const { intent, consistency, maxLagMs, after: token } = trip.request;
    const { after } = trip;
    const primary = this.topology.primary();
    const usual = token === undefined ? this.options.consistency : 'session';
    const wanted = intent === 'write' ? 'primary' : (consistency ?? usual);
    trip.needsPrimary = wanted === 'primary' || after !== undefined;
    if (wanted === 'primary' || after === 'primary') return primary;
    const replicas = this.topology.replicas();
    if (replicas.length === 0) return primary;
    const { maxLagBytes } = this.options;
    const tried = trip.tried ?? NONE;
    const rule = { maxLagMs: maxLagMs ?? this.options.maxLagMs, maxLagBytes, tried, after };
    if (trip.tried === undefined) this.fallbacks.counted();
    const node = chooseForRead({ primary, replicas }, rule);
    if (node !== primary) trip.needsPrimary = false;
    if (node === undefined || node !== primary) return node;
    // One that is fit and has only not replayed the write yet is not lost.
    const isFallback =
      after === undefined || chooseReplica(replicas, { ...rule, after: undefined }) === undefined;
    if (isFallback && !this.fallbacks.take()) {
      throw new ReplicasLostError(this.fallbacks.retryAfterMs);
    }
    return primary;
  }

  private send(trip: Trip, node: Node | undefined): void {
    if (node === undefined) {
      if (!this.failovers.begin(trip)) this.failovers.end(trip);
      return;
    }
    trip.node = node.name;
    // Only a replica has somebody behind it: the other replicas, and the primary at last.
    trip.hasAlternative = node.role === 'replica' && trip.request.pinned === undefined;
    node.enter(trip);
  }
}
