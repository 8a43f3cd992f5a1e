// Read-your-writes: notes where each write stands, and keeps a read from a replica that does not have it yet.
import type { Clock } from '../kernel/clock.js';
import {
  ConnectionError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { both } from '../query/position.js';
import type { Freshness, WalPosition } from '../query/position.js';
import type { Enter, Stage } from '../query/stage.js';
import type { Phase, Trip, TripRequest } from '../query/trip.js';
import { ConsistencyContext } from './consistency-context.js';
import type { ConsistencyContexts } from './consistency-context.js';
import { parseToken } from './consistency-token.js';
import { ReplayWatch } from './replay-watch.js';
import type { ReplayWaiter } from './replay-watch.js';
import { chooseReplica } from './router.js';
import type { Node } from './node.js';
import type { RoutingOptions } from './routing.options.js';
import type { Topology } from './topology.js';
import { hasWritten } from './written.js';

/** What the stage works with. */
export interface ConsistencyStageParts {
  readonly contexts: ConsistencyContexts;
  readonly topology: Topology;
  readonly options: RoutingOptions;
  readonly clock: Clock;
  /** Whether the position of each write is asked for. */
  readonly tracks: boolean;
  /** Whether a statement surely changes nothing. */
  readonly isPure: (text: string) => boolean;
}

/** A read on its way to a replica that may not have the write yet. */
interface Waiting extends ReplayWaiter {
  readonly watch: ReplayWatch;
}

/** A write that has succeeded, while its position is asked for. */
interface Learning {
  readonly context: ConsistencyContext;
  readonly wroteAtMs: number;
}

/** Longest wait of a write for its position, in ms; the write itself has succeeded by then. */
const LEARNING_MS = 1_000;

/** True for a failure that leaves open whether the statement took effect. */
function mayHaveWritten(error: DatabaseError): boolean {
  return (
    error instanceof ConnectionError ||
    error instanceof QueryTimeoutError ||
    error instanceof QueryAbortedError ||
    error instanceof ShutdownError
  );
}

/** Stands before routing: what a read has to see limits which replicas routing may choose. */
export class ConsistencyStage implements Stage {
  private next: Enter | undefined;
  private readonly watches = new Map<string, ReplayWatch>();
  private readonly learning: Phase = {
    due: (trip) => this.giveUp(trip),
    // The write stands, whatever its caller wants by now.
    interrupt: (trip) => this.giveUp(trip),
  };
  private readonly waiting: Phase = {
    due: (trip) => this.goOn(trip),
    interrupt: (trip, error) => {
      this.leaveWatch(trip);
      trip.settle(error, undefined);
    },
  };

  constructor(private readonly parts: ConsistencyStageParts) {}

  enter(trip: Trip, next: Enter): void {
    this.next ??= next;
    const { request } = trip;
    if (request.pinned !== undefined || request.intent === 'write') {
      if (this.parts.tracks) trip.session = this.parts.contexts.current;
      next(trip);
      return;
    }
    try {
      trip.after = this.afterOf(request);
    } catch (error) {
      trip.settle(error as UsageError, undefined);
      return;
    }
    const { after } = trip;
    const replica =
      after === undefined || after === 'primary' ? undefined : this.toWaitFor(request, after);
    if (replica === undefined) next(trip);
    else this.wait(trip, replica, after as WalPosition);
  }

  settled(trip: Trip): boolean {
    const { session, error } = trip;
    trip.session = undefined;
    if (!(session instanceof ConsistencyContext)) return false;
    if (error !== undefined) {
      if (trip.isSent && mayHaveWritten(error)) session.wroteSomewhere(this.nowMs());
      return false;
    }
    const { node } = trip;
    if (node === undefined || this.parts.topology.find(node)?.role === 'replica') return false;
    if (!hasWritten(trip, this.parts.isPure)) return false;
    this.learn(trip, node, session);
    return true;
  }

  /** What a read has to see. */
  private afterOf({ consistency, after }: TripRequest): Freshness | undefined {
    const { contexts, topology, options } = this.parts;
    if (after !== undefined && consistency === 'eventual') {
      const mend = "Leave consistency out, or write consistency: 'session'.";
      throw new UsageError(`after is given to a read with consistency: 'eventual'. ${mend}`);
    }
    const wanted = consistency ?? (after === undefined ? options.consistency : 'session');
    if (wanted !== 'session') return after === undefined ? undefined : this.readable(after);
    const context = contexts.current;
    const end = topology.primary()?.end;
    // A write that nobody could place is placed by whatever the primary said later.
    if (context.unknownAtMs !== undefined && end !== undefined) context.reached(end);
    return both(context.freshness, after === undefined ? undefined : this.readable(after));
  }

  /** @throws UsageError for a text that is no token, and for a token of another cluster. */
  private readable(token: string): Freshness | undefined {
    const freshness = parseToken(token);
    const { systemId } = this.parts.topology;
    if (freshness === undefined || freshness === 'primary' || systemId === undefined)
      return freshness;
    if (freshness.systemId === systemId) return freshness;
    throw new UsageError(
      'The consistency token is of another database cluster. Pass tokens to the instance that gave them.',
    );
  }

  /** A replica that may have it soon, when none has it now. */
  private toWaitFor(request: TripRequest, after: WalPosition): Node | undefined {
    const { topology, options } = this.parts;
    const replicas = topology.replicas();
    const rule = { maxLagMs: request.maxLagMs ?? options.maxLagMs, tried: [] };
    if (options.sessionWaitMs === 0 || chooseReplica(replicas, { ...rule, after }))
      return undefined;
    const near = replicas.filter(
      ({ end, lagMs = Number.POSITIVE_INFINITY }) =>
        end?.timeline === after.timeline && lagMs <= options.sessionWaitMs,
    );
    return chooseReplica(near, rule);
  }

  private wait(trip: Trip, replica: Node, position: WalPosition): void {
    const { topology, clock, options } = this.parts;
    const { name } = replica;
    const watch = this.watches.get(name) ?? new ReplayWatch(replica, topology, clock);
    this.watches.set(name, watch);
    const waiter: Waiting = { position, watch, over: () => this.goOn(trip) };
    trip.session = waiter;
    const nowMs = this.nowMs();
    trip.begin(this.waiting, nowMs, nowMs + options.sessionWaitMs);
    watch.add(waiter);
  }

  private leaveWatch(trip: Trip): void {
    const waiter = trip.session as Waiting;
    waiter.watch.remove(waiter);
    trip.session = undefined;
  }

  /** To a replica that has it by now, else to the primary: routing sees which. */
  private goOn(trip: Trip): void {
    this.leaveWatch(trip);
    trip.leave();
    this.next?.(trip);
  }

  /** Keeps the trip of a write until its position is known, or cannot be. */
  private learn(trip: Trip, node: string, context: ConsistencyContext): void {
    const wroteAtMs = this.nowMs();
    const learning: Learning = { context, wroteAtMs };
    trip.session = learning;
    trip.begin(this.learning, wroteAtMs, wroteAtMs + LEARNING_MS);
    void this.parts.topology.fetchPosition(node).then(
      ({ role, systemId, timeline, endLsn: lsn, askedAtMs }) => {
        if (role !== 'primary' || timeline === undefined) this.giveUp(trip);
        else {
          // Though it may come too late for the trip: the context is told in any case.
          context.wroteUpTo({ systemId, timeline, lsn, askedAtMs });
          trip.settle(undefined, trip.result);
        }
      },
      () => this.giveUp(trip),
    );
  }

  /** The write has succeeded and nobody knows where it stands: until somebody does, reads ask the primary. */
  private giveUp(trip: Trip): void {
    if (trip.isDone) return;
    const { context, wroteAtMs } = trip.session as Learning;
    context.wroteSomewhere(wroteAtMs);
    trip.settle(undefined, trip.result);
  }

  private nowMs(): number {
    return this.parts.clock.monotonicMs();
  }
}
