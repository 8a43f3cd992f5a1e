// Which HTTP status an error of the database deserves. Pure.
import {
  CircuitOpenError,
  ConnectionError,
  DatabaseError,
  InDoubtError,
  NotFoundRowError,
  PoolDeadlockError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ReplicasLostError,
  ShutdownError,
} from '../../kernel/errors.js';
import {
  CheckViolationError,
  DeadlockError,
  ForeignKeyViolationError,
  NotNullViolationError,
  QueryError,
  ReadOnlyError,
  SerializationError,
  UniqueViolationError,
} from '../../kernel/query-errors.js';

/** What a client is told: no SQL, no host, no detail. */
export interface HttpAnswer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** Whole seconds, for the header; only with 503. */
  readonly retryAfterSeconds: number | undefined;
}

interface Rule {
  readonly error: abstract new (...args: never[]) => DatabaseError;
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const UNAVAILABLE = 'The service cannot answer at the moment. Try again later.';
const OVERLOADED = 'The service is overloaded. Try again later.';
const COLLIDED = 'The request collided with another one. Send it again.';
const INTERNAL = 'Internal server error';
/** SQLSTATE of an exclusion constraint: two rows that must not be there together, as with a unique one. */
const EXCLUSION_VIOLATION = '23P01';
const DEFAULT_RETRY_AFTER_MS = 1_000;

/**
 * By class, for `code` may be the SQLSTATE on errors that other libraries get. Not-null and check
 * violations are 422: the request was understood and its content refused. Serialization failures and
 * deadlocks are 503, for the same request succeeds when it is sent again. A base stands behind its leaves;
 * what is not listed is 500.
 */
const RULES: readonly Rule[] = [
  {
    error: UniqueViolationError,
    status: 409,
    code: 'DB_UNIQUE_VIOLATION',
    message: 'It exists already.',
  },
  {
    error: ForeignKeyViolationError,
    status: 409,
    code: 'DB_FOREIGN_KEY_VIOLATION',
    message: 'It refers to something that does not exist, or is referred to.',
  },
  {
    error: NotNullViolationError,
    status: 422,
    code: 'DB_NOT_NULL_VIOLATION',
    message: 'A required value is missing.',
  },
  {
    error: CheckViolationError,
    status: 422,
    code: 'DB_CHECK_VIOLATION',
    message: 'A value is not allowed.',
  },
  { error: SerializationError, status: 503, code: 'DB_SERIALIZATION', message: COLLIDED },
  { error: DeadlockError, status: 503, code: 'DB_DEADLOCK', message: COLLIDED },
  { error: NotFoundRowError, status: 404, code: 'DB_NOT_FOUND_ROW', message: 'It does not exist.' },
  { error: PoolDeadlockError, status: 503, code: 'DB_POOL_DEADLOCK', message: OVERLOADED },
  { error: PoolTimeoutError, status: 503, code: 'DB_POOL_TIMEOUT', message: OVERLOADED },
  { error: PoolOverloadedError, status: 503, code: 'DB_POOL_OVERLOADED', message: OVERLOADED },
  { error: ReplicasLostError, status: 503, code: 'DB_REPLICAS_LOST', message: UNAVAILABLE },
  { error: CircuitOpenError, status: 503, code: 'DB_CIRCUIT_OPEN', message: UNAVAILABLE },
  { error: ConnectionError, status: 503, code: 'DB_CONNECTION', message: UNAVAILABLE },
  { error: ShutdownError, status: 503, code: 'DB_SHUTDOWN', message: UNAVAILABLE },
  {
    error: QueryTimeoutError,
    status: 504,
    code: 'DB_QUERY_TIMEOUT',
    message: 'The answer took too long.',
  },
  { error: QueryAbortedError, status: 503, code: 'DB_QUERY_ABORTED', message: UNAVAILABLE },
  {
    error: InDoubtError,
    status: 500,
    code: 'DB_IN_DOUBT',
    message: 'Whether the request took effect is not known.',
  },
  { error: ReadOnlyError, status: 500, code: 'DB_READ_ONLY', message: INTERNAL },
  { error: QueryError, status: 500, code: 'DB_QUERY', message: INTERNAL },
];

function retryAfterSeconds(error: DatabaseError): number {
  const { retryAfterMs } = error as Partial<PoolTimeoutError>;
  return Math.max(1, Math.ceil((retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) / 1_000));
}

/** The answer to an error; in doubt 500. */
export function httpAnswerOf(error: DatabaseError): HttpAnswer {
  if (error.sqlState === EXCLUSION_VIOLATION) {
    const message = 'It collides with something that exists already.';
    return { status: 409, code: 'DB_QUERY', message, retryAfterSeconds: undefined };
  }
  const rule = RULES.find((each) => error instanceof each.error);
  return {
    status: rule?.status ?? 500,
    code: rule?.code ?? error.code,
    message: rule?.message ?? INTERNAL,
    retryAfterSeconds: rule?.status === 503 ? retryAfterSeconds(error) : undefined,
  };
}
