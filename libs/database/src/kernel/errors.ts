// The whole error tree: one base, facts as fields, the mend in the message.

/** Facts that every {@link DatabaseError} may carry beside its message. */
export interface ErrorFacts {
  /** What caused it, for the log; never shown to an anonymous caller. */
  readonly cause?: unknown;
  /** PostgreSQL's five-character SQLSTATE, where the server gave one. */
  readonly sqlState?: string | undefined;
  /** True when no byte of the statement left this process, so a repetition cannot run it twice. */
  readonly safeToRetry?: boolean;
  /** True when the failure speaks of the server or the network, not of the statement. */
  readonly outage?: boolean;
}

/** Base of everything this library throws. */
export abstract class DatabaseError extends Error {
  abstract readonly code: string;
  readonly sqlState: string | undefined;
  /** A fact, not a policy: nothing was sent. Whether to retry is decided elsewhere. */
  readonly safeToRetry: boolean;
  /** A fact: counts against the node's circuit breaker. */
  readonly outage: boolean;

  constructor(message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.sqlState = facts.sqlState;
    this.safeToRetry = facts.safeToRetry ?? false;
    this.outage = facts.outage ?? false;
  }
}

/** One wrong option: where it is, what it holds (secrets masked), the rule and the mend. */
export interface OptionProblem {
  readonly path: string;
  readonly value: string;
  readonly rule: string;
  readonly mend: string;
}

/** All problems of the options at once. */
export class ConfigurationError extends DatabaseError {
  readonly code = 'DB_CONFIGURATION';

  constructor(readonly problems: readonly OptionProblem[]) {
    super(
      `${problems.length === 1 ? 'One option is' : `${problems.length} options are`} wrong:\n` +
        problems.map((p) => `  - ${p.path} = ${p.value}: ${p.rule}. ${p.mend}`).join('\n'),
      { safeToRetry: true },
    );
  }
}

/** Facts of a {@link ConnectionError}. */
export interface ConnectionErrorFacts extends ErrorFacts {
  /** False when the server's answer will not change by asking again (password, database name, TLS). */
  readonly transient?: boolean;
}

/** A connection could not be made, or was lost. `safeToRetry` tells which of the two it was. */
export class ConnectionError extends DatabaseError {
  readonly code = 'DB_CONNECTION';
  readonly transient: boolean;

  constructor(message: string, facts: ConnectionErrorFacts = {}) {
    super(message, facts);
    this.transient = facts.transient ?? true;
  }
}

/** The pool's figures at the moment of a refusal. */
export interface PoolFigures {
  readonly leased: number;
  readonly max: number;
  readonly waiting: number;
}

function figuresText({ leased, max, waiting }: PoolFigures): string {
  return `(${leased}/${max} leased, ${waiting} waiting)`;
}

/** No connection came free in time. */
export class PoolTimeoutError extends DatabaseError {
  readonly code: string = 'DB_POOL_TIMEOUT';

  constructor(
    readonly node: string,
    readonly waitedMs: number,
    readonly pool: PoolFigures,
    /** How long a client should stay away, in ms. */
    readonly retryAfterMs: number,
    cause?: unknown,
    /** What to do about it, where more is known than the figures say. */
    mend = cause === undefined
      ? 'Look for a lease that is held too long before you raise pool.max.'
      : 'New connections to the server fail as well: see the cause.',
  ) {
    super(
      `No connection to "${node}" came free in ${Math.round(waitedMs)} ms ${figuresText(pool)}. ${mend}`,
      { safeToRetry: true, cause },
    );
  }
}

/** No connection can come free: all are held by transactions and sessions that wait for a second one. */
export class PoolDeadlockError extends PoolTimeoutError {
  override readonly code = 'DB_POOL_DEADLOCK';

  constructor(node: string, waitedMs: number, pool: PoolFigures, retryAfterMs: number) {
    super(
      node,
      waitedMs,
      pool,
      retryAfterMs,
      undefined,
      'Every connection is held by a transaction or session whose code waits for another one. Keep pool.max above ' +
        'the number of such calls at a time, or let the inner call share the connection: propagation "nested" or "required".',
    );
  }
}

/** Why a pool sends a caller away: `full`: `pool.maxWaiting` others wait; `slow`: all of them wait too long. */
export type RefusalReason = 'full' | 'slow';

/** The queue before the pool is full, or has been slow for too long: load is shed instead of waiting in vain. */
export class PoolOverloadedError extends DatabaseError {
  readonly code = 'DB_POOL_OVERLOADED';

  constructor(
    readonly node: string,
    readonly pool: PoolFigures,
    /** How long a client should stay away, in ms. */
    readonly retryAfterMs: number,
    readonly reason: RefusalReason = 'full',
  ) {
    super(
      reason === 'full'
        ? `The queue of "${node}" is full ${figuresText(pool)}. ` +
            'Answer 503 and let callers come back later; raise pool.maxWaiting only if they can wait.'
        : `The queue of "${node}" is too slow ${figuresText(pool)}: callers have waited longer than pool.queueTargetMs ` +
            'for all of pool.queueIntervalMs. Answer 503 and let callers come back later; look for slow queries.',
      { safeToRetry: true },
    );
  }
}

/** No replica is fit to answer, and the primary answers its share of such reads already. Nothing was sent. */
export class ReplicasLostError extends DatabaseError {
  readonly code = 'DB_REPLICAS_LOST';

  constructor(
    /** How long a client should stay away, in ms. */
    readonly retryAfterMs: number,
  ) {
    super(
      'No replica is fit to answer (lost, or behind), and the primary answers as many of their reads as ' +
        'routing.fallbackRatio lets through. Look at the replicas; raise it only if the primary can bear more.',
      { safeToRetry: true },
    );
  }
}

/** The node failed too often lately; calls are refused until a probe succeeds. */
export class CircuitOpenError extends DatabaseError {
  readonly code = 'DB_CIRCUIT_OPEN';

  constructor(
    readonly node: string,
    /** Time until the next probe is let through, in ms. */
    readonly retryAfterMs: number,
    cause?: unknown,
  ) {
    super(
      `The circuit of "${node}" is open: the server failed too often lately. ` +
        `The next probe is let through in ${Math.ceil(retryAfterMs)} ms; see the cause for the last failure.`,
      { safeToRetry: true, cause },
    );
  }
}

/** The statement or the whole call ran out of its time. The server was told to stop. */
export class QueryTimeoutError extends DatabaseError {
  readonly code = 'DB_QUERY_TIMEOUT';

  constructor(
    readonly timeoutMs: number,
    facts: ErrorFacts = {},
  ) {
    super(
      `The query did not end within ${Math.round(timeoutMs)} ms and was cancelled. ` +
        'Pass timeoutMs for a statement that is meant to take longer.',
      facts,
    );
  }
}

/** The caller's AbortSignal, or an administrator, cancelled the query. */
export class QueryAbortedError extends DatabaseError {
  readonly code = 'DB_QUERY_ABORTED';
}

/** What is known of a transaction in doubt; of those that are not `exactlyOnce`, nothing. */
export interface InDoubtFacts extends ErrorFacts {
  readonly xid?: string | undefined;
  readonly backendPid?: number | undefined;
  readonly systemId?: string | undefined;
  readonly timeline?: number | undefined;
}

/** COMMIT was sent and not answered: the transaction may or may not be committed. */
export class InDoubtError extends DatabaseError {
  readonly code = 'DB_IN_DOUBT';
  /** Its 64-bit id, for `pg_xact_status` on the same cluster, timeline and start of the server. */
  readonly xid: string | undefined;
  readonly backendPid: number | undefined;
  /** Identifier of the cluster. */
  readonly systemId: string | undefined;
  /** Timeline that it ran on. */
  readonly timeline: number | undefined;

  constructor(message: string, facts: InDoubtFacts = {}) {
    super(message, facts);
    this.xid = facts.xid;
    this.backendPid = facts.backendPid;
    this.systemId = facts.systemId;
    this.timeline = facts.timeline;
  }
}

/** `one()` found no row. */
export class NotFoundRowError extends DatabaseError {
  readonly code = 'DB_NOT_FOUND_ROW';
}

/** `one()` or `maybeOne()` found more than one row. */
export class TooManyRowsError extends DatabaseError {
  readonly code = 'DB_TOO_MANY_ROWS';

  constructor(
    message: string,
    readonly rowCount: number,
  ) {
    super(message);
  }
}

/** A parameter that cannot be sent. Nothing was. */
export class ParameterError extends DatabaseError {
  readonly code = 'DB_PARAMETER';

  constructor(
    /** 1-based, as in `$1`. */
    readonly position: number,
    message: string,
    cause?: unknown,
  ) {
    super(message, { safeToRetry: true, cause });
  }
}

/** The library was called in a way that its contract forbids: a released lease, an ended transaction. */
export class UsageError extends DatabaseError {
  readonly code = 'DB_USAGE';

  constructor(message: string, cause?: unknown) {
    super(message, { safeToRetry: true, cause });
  }
}

/** The library is closing or closed; nothing was sent. */
export class ShutdownError extends DatabaseError {
  readonly code = 'DB_SHUTDOWN';

  constructor(message: string, facts: ErrorFacts = { safeToRetry: true }) {
    super(message, facts);
  }
}
