// From SQLSTATE or errno to our errors: one table, and no text of a message is ever matched.
import { ConnectionError, DatabaseError, QueryAbortedError } from '../kernel/errors.js';
import {
  CheckViolationError,
  DeadlockError,
  ForeignKeyViolationError,
  NotNullViolationError,
  QueryError,
  ReadOnlyError,
  SerializationError,
  UniqueViolationError,
} from '../kernel/query-errors.js';
import type { QueryErrorFacts } from '../kernel/query-errors.js';

/** What PostgreSQL puts into an ErrorResponse, as `pg` hands it over. */
interface ServerError extends Error {
  readonly code: string;
  readonly severity?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly position?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly dataType?: string;
  readonly constraint?: string;
}

type Factory = (message: string, facts: QueryErrorFacts) => DatabaseError;

const lost: Factory = (message, facts) =>
  new ConnectionError(
    `The server ended the connection (${message}); whether the statement took effect is unknown.`,
    { ...facts, safeToRetry: false, outage: true },
  );

/** By full SQLSTATE; what is not listed is a plain {@link QueryError}. */
const BY_STATE: Readonly<Record<string, Factory>> = {
  '23505': (m, f) => new UniqueViolationError(m, f),
  '23503': (m, f) => new ForeignKeyViolationError(m, f),
  '23502': (m, f) => new NotNullViolationError(m, f),
  '23514': (m, f) => new CheckViolationError(m, f),
  '40001': (m, f) => new SerializationError(m, f),
  '40P01': (m, f) => new DeadlockError(m, f),
  '25006': (m, f) => new ReadOnlyError(m, f),
  '57014': (m, f) => new QueryAbortedError(`The server cancelled the statement: ${m}`, f),
  '57P01': lost,
  '57P02': lost,
  '57P03': lost,
  '57P05': lost,
  '40003': lost,
  // Protocol violation by the statement itself (wrong number of parameters), not a lost connection.
  '08P01': (m, f) => new QueryError(`${m}. Pass one value for each $n of the text.`, f),
};

function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error)) return false;
  const { code, severity } = error as Partial<ServerError>;
  return typeof code === 'string' && code.length === 5 && typeof severity === 'string';
}

function factsOf(error: ServerError): QueryErrorFacts {
  return {
    cause: error,
    sqlState: error.code,
    severity: error.severity,
    detail: error.detail,
    hint: error.hint,
    position: error.position === undefined ? undefined : Number(error.position),
    schema: error.schema,
    table: error.table,
    column: error.column,
    dataType: error.dataType,
    constraint: error.constraint,
  };
}

/**
 * Frames here are those of the socket and the driver, never the caller's: they tell nobody anything, and cost a
 * failing statement 20 us of 170.
 */
function withoutStack<T>(create: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return create();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Translates what a statement failed with. Anything but an answer of the server is a lost connection. */
export function translateQueryError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (isServerError(error)) {
    const factory = BY_STATE[error.code] ?? (error.code.startsWith('08') ? lost : undefined);
    const facts = factsOf(error);
    return withoutStack(
      () => factory?.(error.message, facts) ?? new QueryError(error.message, facts),
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new ConnectionError(
    `The connection was lost while the statement ran (${reason}); whether it took effect is unknown.`,
    { cause: error, safeToRetry: false, outage: true },
  );
}

/**
 * Translates what a statement failed with on a connection that still stands: the server's answer, or an error
 * of the client's own, such as a name that stands for another text, or a parser of values that throws.
 */
export function translateClientError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError || isServerError(error)) return translateQueryError(error);
  return new QueryError(error instanceof Error ? error.message : String(error), { cause: error });
}

/**
 * A transaction has failed because the server could not run a statement that was prepared before: the caller has not asked
 * for that, and run again it works.
 */
export function staleError(error: Error): DatabaseError {
  if (!isServerError(error)) return translateClientError(error);
  const message = `${error.message}: a statement that was prepared before is out of date. Run the transaction again.`;
  return withoutStack(() => new SerializationError(message, factsOf(error)));
}

/** Translates what a COPY failed with: the server, the network, or the caller's own stream. */
export function translateCopyError(error: unknown): DatabaseError {
  if (isServerError(error)) return translateQueryError(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new QueryError(`The COPY was broken off: ${reason}. Nothing of it was stored.`, {
    cause: error,
  });
}

/** What to do about a connection that the server refuses, by SQLSTATE or by its class. */
const CONNECT_MENDS: Readonly<Record<string, string>> = {
  '28P01': 'Check the user and the password.',
  '28000': 'Check the user, and what pg_hba.conf allows for this address and TLS mode.',
  '3D000': 'Create the database, or correct its name in the URL.',
  '42501': 'Grant the user CONNECT on the database.',
  '53300':
    'All of max_connections are taken: lower pool.max per process, or put a pooler in between.',
  '08P01':
    'Is it a startup parameter that a pooler refuses? Leave ?options= out of the URL (ALTER ROLE ... SET does the same), or ' +
    "let the pooler pass it (PgBouncer's ignore_startup_parameters).",
  '57P03': 'The server is starting up or shutting down; it is tried again.',
};

const ERRNO_MENDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing listens there: check host and port, and that the server runs.',
  ENOTFOUND: 'The host name does not resolve: check it.',
  EAI_AGAIN: 'The name server does not answer: check DNS.',
  ETIMEDOUT: 'Check host, port and firewall; raise pool.connectTimeoutMs for a slow network.',
  ENOENT: 'The socket does not exist: check the path and that the server runs.',
};

const TLS_MENDS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'Pass the certificate as tls.ca, or choose tls.mode "require".',
  SELF_SIGNED_CERT_IN_CHAIN: 'Pass the root certificate as tls.ca.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'Pass the root certificate as tls.ca.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'Pass the root certificate as tls.ca.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'Connect by the name in the certificate, or set tls.servername.',
  CERT_HAS_EXPIRED: 'Renew the certificate of the server.',
};

/** What the driver saw of a failed attempt; `pg` gives many of its errors no code. */
export interface ConnectFailure {
  /** `host:port/database`. */
  readonly label: string;
  readonly wantsTls: boolean;
  readonly hasTls: boolean;
  /** True when the socket was closed, by whomever. */
  readonly wasClosed: boolean;
}

function mendOf(error: unknown, seen: ConnectFailure): { mend: string; permanent: boolean } {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (isServerError(error)) {
    // Wrong password, database, permission or parameter: the same answer will come again.
    const permanent = /^(28|3D|42|22|08P01)/.test(error.code);
    return { mend: CONNECT_MENDS[error.code] ?? 'See the cause.', permanent };
  }
  if (typeof code === 'string') {
    const tlsMend = TLS_MENDS[code];
    if (tlsMend !== undefined) return { mend: tlsMend, permanent: true };
    return { mend: ERRNO_MENDS[code] ?? 'See the cause.', permanent: false };
  }
  if (seen.wasClosed) return { mend: 'The other side closed the connection.', permanent: false };
  const mend =
    seen.wantsTls && !seen.hasTls
      ? 'Turn on ssl in the server, or choose tls.mode "disable" where the network is trusted.'
      : 'Check the password and the way of authentication.';
  return { mend, permanent: true };
}

/** Translates why a connection could not be made. Nothing was sent, so all of these are safe to retry. */
export function translateConnectError(error: unknown, seen: ConnectFailure): ConnectionError {
  const reason = (error instanceof Error && error.message) || String(error);
  const { mend, permanent } = mendOf(error, seen);
  return new ConnectionError(`Cannot connect to ${seen.label}: ${reason}. ${mend}`, {
    cause: error,
    sqlState: isServerError(error) ? error.code : undefined,
    safeToRetry: true,
    outage: !permanent,
    transient: !permanent,
  });
}
