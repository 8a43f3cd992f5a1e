// Opens trips and closes them: the only maker of trips and of their records.
import type { Clock } from '../kernel/clock.js';
import {
  CircuitOpenError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { QueryOutcome, QueryRecord } from '../kernel/event-map.js';
import type { Events } from '../kernel/events.js';
import { TimerWheel } from '../kernel/timer-wheel.js';
import type { QueryResult, Statement } from './query.js';
import type { Enter } from './stage.js';
import { Trip } from './trip.js';
import type { Pinned, TripHost, TripRequest } from './trip.js';

/** What a trip asks for unless it says otherwise. */
const ORDINARY = {
  intent: 'write',
  wants: 'result',
  repeatable: false,
  consistency: undefined,
  maxLagMs: undefined,
  timeoutMs: undefined,
  signal: undefined,
  pinned: undefined,
} as const;

function outcomeOf(error: DatabaseError | undefined): QueryOutcome {
  if (error === undefined) return 'ok';
  if (error instanceof QueryTimeoutError) return 'timeout';
  if (error instanceof QueryAbortedError) return 'aborted';
  const refused =
    error instanceof PoolTimeoutError ||
    error instanceof PoolOverloadedError ||
    error instanceof CircuitOpenError ||
    error instanceof ShutdownError;
  return refused ? 'refused' : 'error';
}

/** Sends requests on their trip. One promise a request; it settles by the trip's deadline. */
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

  /** Sends a whole request. `Result` is what it wants: a QueryResult, or a lease. */
  send<Result>(request: TripRequest): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (request.signal?.aborted === true) {
        const cause: unknown = request.signal.reason;
        const message = 'The AbortSignal was aborted before the query began; nothing was sent.';
        reject(new QueryAbortedError(message, { cause, safeToRetry: true }));
        return;
      }
      if (request.timeoutMs !== undefined && !(request.timeoutMs > 0)) {
        const shown = JSON.stringify(request.timeoutMs);
        reject(new UsageError(`timeoutMs = ${shown} must be a number of ms above 0.`));
        return;
      }
      this.pipeline(new Trip(this, request, resolve, reject));
    });
  }

  /** Runs a statement on a connection that somebody holds. */
  sendOn(
    pinned: Pinned,
    statement: Statement,
    extra: Partial<TripRequest> = {},
  ): Promise<QueryResult> {
    return this.send({ ...ORDINARY, ...extra, statement, pinned });
  }

  /** Runs a statement on the primary, outside of any transaction, whoever asks. */
  sendAlone(statement: Statement, extra: Partial<TripRequest> = {}): Promise<QueryResult> {
    return this.send({ ...ORDINARY, ...extra, statement });
  }

  /** Runs `work` on a connection in place of a statement. */
  sendWork<Result>(
    request: Partial<TripRequest> & Pick<TripRequest, 'statement' | 'work'>,
  ): Promise<Result> {
    return this.send({ ...ORDINARY, ...request });
  }

  /** Asks for a connection; `Lease` is the pool's. */
  sendForLease<Lease>(extra: Partial<TripRequest>): Promise<Lease> {
    const statement = { text: '' };
    return this.send({ ...ORDINARY, ...extra, statement, wants: 'lease', repeatable: true });
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
