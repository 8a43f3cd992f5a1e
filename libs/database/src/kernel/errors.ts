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

/** No connection came free in time. */
export class PoolTimeoutError extends DatabaseError {
  readonly code = 'DB_POOL_TIMEOUT';

  constructor(
    readonly node: string,
    readonly waitedMs: number,
    readonly pool: PoolFigures,
    /** How long a client should stay away, in ms. */
    readonly retryAfterMs: number,
    cause?: unknown,
  ) {
    super(
      `No connection to "${node}" came free in ${Math.round(waitedMs)} ms ` +
        `(${pool.leased}/${pool.max} leased, ${pool.waiting} waiting). ` +
        (cause === undefined
          ? 'Look for a lease that is held too long before you raise pool.max.'
          : 'New connections to the server fail as well: see the cause.'),
      { safeToRetry: true, cause },
    );
  }
}

/** The queue before the pool is full: the load is shed at once instead of waiting in vain. */
export class PoolOverloadedError extends DatabaseError {
  readonly code = 'DB_POOL_OVERLOADED';

  constructor(
    readonly node: string,
    readonly pool: PoolFigures,
    /** How long a client should stay away, in ms. */
    readonly retryAfterMs: number,
  ) {
    super(
      `The queue of "${node}" is full (${pool.leased}/${pool.max} leased, ${pool.waiting} waiting). ` +
        'Answer 503 and let callers come back later; raise pool.maxWaiting only if they can wait.',
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

/** What PostgreSQL says about a failed statement, as fields. */
export interface QueryErrorFacts extends ErrorFacts {
  readonly severity?: string | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly position?: number | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
}

/** The server refused the statement. `detail` may hold row values: keep it out of answers. */
export class QueryError extends DatabaseError {
  readonly code: string = 'DB_QUERY';
  readonly severity: string | undefined;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** 1-based character position in the statement's text. */
  readonly position: number | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;

  constructor(message: string, facts: QueryErrorFacts = {}) {
    super(message, facts);
    this.severity = facts.severity;
    this.detail = facts.detail;
    this.hint = facts.hint;
    this.position = facts.position;
    this.schema = facts.schema;
    this.table = facts.table;
    this.column = facts.column;
    this.dataType = facts.dataType;
    this.constraint = facts.constraint;
  }
}

/** SQLSTATE 23505. */
export class UniqueViolationError extends QueryError {
  override readonly code = 'DB_UNIQUE_VIOLATION';
}

/** SQLSTATE 23503. */
export class ForeignKeyViolationError extends QueryError {
  override readonly code = 'DB_FOREIGN_KEY_VIOLATION';
}

/** SQLSTATE 23502. */
export class NotNullViolationError extends QueryError {
  override readonly code = 'DB_NOT_NULL_VIOLATION';
}

/** SQLSTATE 23514. */
export class CheckViolationError extends QueryError {
  override readonly code = 'DB_CHECK_VIOLATION';
}

/** SQLSTATE 40001: the whole transaction has to run again. */
export class SerializationError extends QueryError {
  override readonly code = 'DB_SERIALIZATION';
}

/** SQLSTATE 40P01: the whole transaction has to run again. */
export class DeadlockError extends QueryError {
  override readonly code = 'DB_DEADLOCK';
}

/** A statement that writes was sent where only reading is allowed. */
export class ReadOnlyError extends QueryError {
  override readonly code = 'DB_READ_ONLY';
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
