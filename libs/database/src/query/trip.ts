// One call on its way through the stages: deadline entry, record and slot in one object.
import type { Clock } from '../kernel/clock.js';
import type { DatabaseError } from '../kernel/errors.js';
import { QueryAbortedError, QueryTimeoutError } from '../kernel/errors.js';
import { WheelEntry } from '../kernel/timer-wheel.js';
import type { TimerWheel } from '../kernel/timer-wheel.js';
import type { Freshness } from './position.js';
import type { Consistency, Intent, Priority, Statement } from './query.js';

/** A connection that a trip is bound to: that of its transaction or session. */
export interface Pinned {
  /** Name of the node the connection belongs to. */
  readonly node: string;
  /** True once it was given back. */
  readonly isReleased?: boolean;
  /** Where the server says the session stands. */
  readonly transactionStatus?: 'idle' | 'open' | 'failed' | 'unknown';
  /** Runs the trip when its turn comes, and settles it. */
  enter(trip: Trip): void;
  /** The trip is about to tell its caller; a transaction explains a failure by its first one here. */
  returning?(trip: Trip): void;
}

/** A connection that the asking code holds while it asks for another one, and those it held around it. */
export interface Holding {
  readonly lease: Pinned;
  readonly outer: Holding | undefined;
}

/** A stage that the trip has passed on its way down, and where that one leads to. */
export interface Step {
  readonly stage: { settled?(trip: Trip, next: (trip: Trip) => void): boolean };
  readonly next: (trip: Trip) => void;
}

/** Where a trip waits; knows what to do when the time is up or the caller goes away. */
export interface Phase {
  /** The time armed for this phase is up. */
  due(trip: Trip): void;
  /** The caller gave up, or the house closes. */
  interrupt(trip: Trip, error: DatabaseError): void;
}

/** What a call asks for. */
export interface TripRequest {
  readonly statement: Statement;
  readonly intent: Intent;
  /** `lease`: the result is the connection itself. */
  readonly wants: 'result' | 'lease';
  /** Runs on the connection in place of the statement, whose text then only describes it: COPY. */
  readonly work?: ((connection: never) => Promise<unknown>) | undefined;
  /** True when a repetition after a lost connection does no harm. */
  readonly repeatable: boolean;
  readonly consistency: Consistency | undefined;
  readonly maxLagMs: number | undefined;
  /** Token of what a read has to see. */
  readonly after?: string | undefined;
  /** Time for the whole call, in ms; undefined takes the pool's limits. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly pinned: Pinned | undefined;
  /**
   * What the runs of a statement are counted by that surely only reads, and so may share a connection with others and run
   * twice; undefined for all others.
   */
  readonly shape?: string | undefined;
  /** Place in the queue for a connection; undefined is `normal`. */
  readonly priority?: Priority | undefined;
  /** What the asking code holds, when this is a connection beside it; undefined outside of any scope. */
  readonly holding?: Holding | undefined;
  /** COMMIT under way must never be cancelled: its outcome would be unknown. */
  readonly uncancellable?: boolean | undefined;
  /** True for a lease on which BEGIN is the first to be sent: it may go out behind the COMMIT of who had the connection. */
  readonly beginsTransaction?: boolean | undefined;
  /** True for a COMMIT that leaves no transaction open, whatever is answered: who comes next may send behind it. */
  readonly endsTransaction?: boolean | undefined;
  /** Where a lease is borrowed; `stack` is formatted only when somebody reads it. */
  readonly borrowedAt?: { readonly stack?: string } | undefined;
}

/** Who waits for the end of a trip: one of the two is called, once. Neither may throw. */
export interface Caller<Result = never> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** What all trips of an instance share. */
export interface TripHost {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Called once, after the caller was told. */
  finished(trip: Trip): void;
}

/** One call. Belongs to one stage at a time; settled exactly once. */
export class Trip extends WheelEntry {
  readonly statement: Statement;
  readonly openedAtMs: number;
  /** Monotonic time by which the caller has his answer, in ms. Set by the resilience stage when undefined. */
  deadlineAtMs: number | undefined;
  /** Name of the node that has the trip. */
  node: string | undefined;
  /** True when routing has another node to try, so that this one need not be asked again. */
  hasAlternative = false;
  /** True when only the primary may answer: a connection that has met a standby is not used. */
  needsPrimary = false;
  /** What the resilience stage of the present node gave the trip on its way in. */
  ticket: object | undefined;
  /** What the consistency stage knows of the caller. */
  session: object | undefined;
  /** What a read has to see, wherever it is answered. */
  after: Freshness | undefined;
  /** Told how long the statement took on a connection of its own, and what it gave. */
  fingerprint: { ranAlone(serverMs: number): void; gave(result: unknown): void } | undefined;
  /** What the trip has waited for a primary so far. */
  failover: object | undefined;
  /** Names of the nodes that failed this trip. */
  tried: string[] | undefined;
  attempts = 0;
  /** True once the statement was handed to a connection: from then on it may have run. */
  isSent = false;
  /** Time in the pool's queue so far, in ms. */
  waitMs = 0;
  /** Time of the last execution, in ms. */
  serverMs = 0;
  /** Monotonic start of the present phase, in ms. */
  phaseStartedAtMs = 0;
  error: DatabaseError | undefined;
  result: unknown;
  private readonly path: Step[] = [];
  private phase: Phase | undefined;
  private done = false;
  private readonly onAbort: (() => void) | undefined;

  constructor(
    private readonly host: TripHost,
    readonly request: TripRequest,
    private readonly caller: Caller,
  ) {
    super();
    this.statement = request.statement;
    this.openedAtMs = host.clock.monotonicMs();
    this.deadlineAtMs =
      request.timeoutMs === undefined ? undefined : this.openedAtMs + request.timeoutMs;
    if (request.signal !== undefined) {
      this.onAbort = () => this.abort();
      request.signal.addEventListener('abort', this.onAbort, { once: true });
    }
  }

  /** True when the caller has his answer. */
  get isDone(): boolean {
    return this.done;
  }

  /** Enters a waiting phase that ends by `dueAtMs` at the latest. */
  begin(phase: Phase, nowMs: number, dueAtMs: number): void {
    this.phase = phase;
    this.phaseStartedAtMs = nowMs;
    const atMs = Math.min(dueAtMs, this.deadlineAtMs ?? Number.POSITIVE_INFINITY);
    if (atMs === Number.POSITIVE_INFINITY) this.host.wheel.disarm(this);
    else this.host.wheel.arm(this, atMs);
  }

  /** Leaves the present phase. */
  leave(): void {
    this.phase = undefined;
    this.host.wheel.disarm(this);
  }

  /** @internal The wheel calls. */
  due(): void {
    this.phase?.due(this);
  }

  /** The error of a statement whose time is up: that of the whole call, or that of its present phase. */
  timeoutError(nowMs: number): QueryTimeoutError {
    const byDeadline = this.deadlineAtMs !== undefined && this.deadlineAtMs <= nowMs;
    return new QueryTimeoutError(nowMs - (byDeadline ? this.openedAtMs : this.phaseStartedAtMs));
  }

  /** Ends the trip from outside; no-op once it is done. */
  interrupt(error: DatabaseError): void {
    if (this.done) return;
    if (this.phase === undefined) this.settle(error, undefined);
    else this.phase.interrupt(this, error);
  }

  /** @internal A stage takes the trip. */
  descend(step: Step): void {
    this.path.push(step);
  }

  /** Sends the trip back up the stairs with its outcome. */
  settle(error: DatabaseError | undefined, result: unknown): void {
    if (this.done) return;
    this.leave();
    this.error = error;
    this.result = result;
    for (let step = this.path.pop(); step !== undefined; step = this.path.pop()) {
      // The stage stays on the path while it decides: it may send the trip down again at once.
      this.path.push(step);
      const kept = step.stage.settled?.(this, step.next) ?? false;
      if (kept) return;
      this.path.pop();
    }
    this.finish();
  }

  private abort(): void {
    const cause: unknown = this.request.signal?.reason;
    const safeToRetry = !this.isSent;
    this.interrupt(new QueryAbortedError('The caller aborted the query.', { cause, safeToRetry }));
  }

  private finish(): void {
    this.done = true;
    this.request.pinned?.returning?.(this);
    if (this.onAbort !== undefined) {
      this.request.signal?.removeEventListener('abort', this.onAbort);
    }
    if (this.error === undefined) this.caller.resolve(this.result as never);
    else this.caller.reject(this.error);
    this.host.finished(this);
  }
}
