// Opens trips and closes them: the only maker of trips and of their records.
import type { Clock } from '../kernel/clock.js';
import {
  CircuitOpenError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ReplicasLostError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { QueryOutcome, QueryRecord } from '../kernel/event-map.js';
import type { Events } from '../kernel/events.js';
import { TimerWheel } from '../kernel/timer-wheel.js';
import { PRIORITIES } from './query.js';
import type { QueryResult, Statement } from './query.js';
import type { Enter } from './stage.js';
import { Trip } from './trip.js';
import type { Caller, Pinned, TripHost, TripRequest } from './trip.js';

const NOTHING: Partial<TripRequest> = Object.freeze({});
const NO_STATEMENT: Statement = Object.freeze({ text: '' });

/**
 * A whole request, with what is usual for the rest. Property by property: a spread of two objects costs as much as the
 * rest of a trip.
 */
function requestOf(
  statement: Statement,
  extra: Partial<TripRequest>,
  wants: TripRequest['wants'],
  pinned: Pinned | undefined,
): TripRequest {
  return {
    statement,
    intent: extra.intent ?? 'write',
    wants,
    work: extra.work,
    repeatable: wants === 'lease' || extra.repeatable === true,
    consistency: extra.consistency,
    maxLagMs: extra.maxLagMs,
    after: extra.after,
    timeoutMs: extra.timeoutMs,
    signal: extra.signal,
    pinned,
    shape: extra.shape,
    priority: extra.priority,
    holding: extra.holding,
    uncancellable: extra.uncancellable,
    beginsTransaction: extra.beginsTransaction,
    endsTransaction: extra.endsTransaction,
    borrowedAt: extra.borrowedAt,
  };
}

/** A statement on a connection that somebody holds. */
export function requestOn(
  pinned: Pinned,
  statement: Statement,
  extra: Partial<TripRequest> = NOTHING,
): TripRequest {
  return requestOf(statement, extra, 'result', pinned);
}

/** A connection itself, which may be asked for again. */
export function leaseRequest(extra: Partial<TripRequest>): TripRequest {
  return requestOf(NO_STATEMENT, extra, 'lease', extra.pinned);
}

/** Why a request is not sent at all. */
function refusalOf({ priority, signal, timeoutMs }: TripRequest): DatabaseError | undefined {
  if (signal?.aborted === true) {
    const cause: unknown = signal.reason;
    const message = 'The AbortSignal was aborted before the query began; nothing was sent.';
    return new QueryAbortedError(message, { cause, safeToRetry: true });
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    const shown = JSON.stringify(timeoutMs);
    return new UsageError(`timeoutMs = ${shown} must be a number of ms above 0.`);
  }
  if (priority !== undefined && !PRIORITIES.includes(priority)) {
    const shown = JSON.stringify(priority);
    return new UsageError(`priority = ${shown} must be one of: ${PRIORITIES.join(', ')}.`);
  }
  return undefined;
}

function outcomeOf(error: DatabaseError | undefined): QueryOutcome {
  if (error === undefined) return 'ok';
  if (error instanceof QueryTimeoutError) return 'timeout';
  if (error instanceof QueryAbortedError) return 'aborted';
  const refused =
    error instanceof PoolTimeoutError ||
    error instanceof PoolOverloadedError ||
    error instanceof CircuitOpenError ||
    error instanceof ReplicasLostError ||
    error instanceof ShutdownError;
  return refused ? 'refused' : 'error';
}

/** Sends requests on their trip. At most one promise a request; it settles by the trip's deadline. */
export class TripDesk implements TripHost {
  readonly wheel: TimerWheel;

  constructor(
    private readonly instance: string,
    readonly clock: Clock,
    private readonly events: Events,
    private readonly pipeline: Enter,
  ) {
    this.wheel = new TimerWheel(clock);
  }

  /**
   * Sends a whole request and tells `caller` how it ended, without a promise of its own: one costs up to a microsecond,
   * and callers have theirs. What it wants is the result: a QueryResult, or a lease.
   */
  open(request: TripRequest, caller: Caller): void {
    const refusal = refusalOf(request);
    if (refusal === undefined) this.pipeline(new Trip(this, request, caller));
    else caller.reject(refusal);
  }

  /** As {@link open}, by a promise. */
  send<Result>(request: TripRequest): Promise<Result> {
    return new Promise<Result>((resolve, reject) => this.open(request, { resolve, reject }));
  }

  /** Runs a statement on a connection that somebody holds. */
  sendOn(pinned: Pinned, statement: Statement, extra?: Partial<TripRequest>): Promise<QueryResult> {
    return this.send(requestOn(pinned, statement, extra));
  }

  /** Runs a statement on the primary, outside of any transaction, whoever asks. */
  sendAlone(statement: Statement, extra: Partial<TripRequest> = NOTHING): Promise<QueryResult> {
    return this.send(requestOf(statement, extra, 'result', undefined));
  }

  /** Runs `work` on a connection in place of a statement. */
  sendWork<Result>(
    request: Partial<TripRequest> & Pick<TripRequest, 'statement' | 'work'>,
  ): Promise<Result> {
    return this.send(requestOf(request.statement, request, 'result', request.pinned));
  }

  /** Asks for a connection, which may be asked for again; `Lease` is the pool's. */
  sendForLease<Lease>(extra: Partial<TripRequest>): Promise<Lease> {
    return this.send(leaseRequest(extra));
  }

  /** @internal */
  finished(trip: Trip): void {
    if (trip.request.wants === 'result' && this.events.has('query:done')) {
      this.events.emit('query:done', this.record(trip));
    }
  }

  private record(trip: Trip): QueryRecord {
    const { error } = trip;
    const result = trip.result as Partial<QueryResult> | undefined;
    return {
      instance: this.instance,
      node: trip.node,
      intent: trip.request.intent,
      text: trip.statement.text,
      pinned: trip.request.pinned !== undefined,
      durationMs: this.clock.monotonicMs() - trip.openedAtMs,
      waitMs: trip.waitMs,
      serverMs: trip.serverMs,
      attempts: trip.attempts,
      rowCount: error === undefined ? (result?.rowCount ?? 0) : 0,
      outcome: outcomeOf(error),
      errorCode: error?.code,
      sqlState: error?.sqlState,
      endedAtMs: this.clock.nowMs(),
    };
  }
}
