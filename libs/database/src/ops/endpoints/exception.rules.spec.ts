// Which status each error of the tree deserves, as a table; and that none is left out.
import { describe, expect, it } from '@jest/globals';
import * as common from '../../kernel/errors.js';
import * as refused from '../../kernel/query-errors.js';
import type { DatabaseError } from '../../kernel/errors.js';
import { httpAnswerOf } from './exception.rules.js';

const errors = { ...common, ...refused };

const FIGURES = { leased: 20, max: 20, waiting: 9 };
const SECRET = 'relation "salaries" at db.internal: Key (iban)=(DE12)';

type Row = readonly [DatabaseError, number, string, retryAfterSeconds?: number];

const rows: readonly Row[] = [
  [new errors.UniqueViolationError(SECRET, { detail: SECRET }), 409, 'DB_UNIQUE_VIOLATION'],
  [new errors.ForeignKeyViolationError(SECRET), 409, 'DB_FOREIGN_KEY_VIOLATION'],
  [new errors.QueryError(SECRET, { sqlState: '23P01' }), 409, 'DB_QUERY'],
  [new errors.NotNullViolationError(SECRET), 422, 'DB_NOT_NULL_VIOLATION'],
  [new errors.CheckViolationError(SECRET), 422, 'DB_CHECK_VIOLATION'],
  [new errors.NotFoundRowError(SECRET), 404, 'DB_NOT_FOUND_ROW'],
  [new errors.PoolTimeoutError('db.internal', 5_000, FIGURES, 2_100), 503, 'DB_POOL_TIMEOUT', 3],
  [new errors.PoolDeadlockError('db.internal', 50, FIGURES, 1_000), 503, 'DB_POOL_DEADLOCK', 1],
  [new errors.PoolOverloadedError('db.internal', FIGURES, 30_000), 503, 'DB_POOL_OVERLOADED', 30],
  [new errors.ReplicasLostError(1_500), 503, 'DB_REPLICAS_LOST', 2],
  [new errors.CircuitOpenError('db.internal', 1), 503, 'DB_CIRCUIT_OPEN', 1],
  [new errors.CircuitOpenError('db.internal', 0), 503, 'DB_CIRCUIT_OPEN', 1],
  [new errors.ConnectionError(SECRET), 503, 'DB_CONNECTION', 1],
  [new errors.ShutdownError(SECRET), 503, 'DB_SHUTDOWN', 1],
  [new errors.SerializationError(SECRET), 503, 'DB_SERIALIZATION', 1],
  [new errors.DeadlockError(SECRET), 503, 'DB_DEADLOCK', 1],
  [new errors.QueryAbortedError(SECRET), 503, 'DB_QUERY_ABORTED', 1],
  [new errors.QueryTimeoutError(5_000), 504, 'DB_QUERY_TIMEOUT'],
  [new errors.QueryError(SECRET, { sqlState: '42P01' }), 500, 'DB_QUERY'],
  [new errors.ReadOnlyError(SECRET), 500, 'DB_READ_ONLY'],
  [new errors.InDoubtError(SECRET), 500, 'DB_IN_DOUBT'],
  [new errors.TooManyRowsError(SECRET, 2), 500, 'DB_TOO_MANY_ROWS'],
  [new errors.ParameterError(1, SECRET), 500, 'DB_PARAMETER'],
  [new errors.UsageError(SECRET), 500, 'DB_USAGE'],
  [new errors.ConfigurationError([]), 500, 'DB_CONFIGURATION'],
];

describe('httpAnswerOf', () => {
  const named = rows.map(([error, status, code, seconds]) => ({
    name: error.name,
    error,
    status,
    code,
    retryAfterSeconds: seconds,
  }));

  it.each(named)(
    'answers $name with $status $code',
    ({ error, status, code, retryAfterSeconds }) => {
      const answer = httpAnswerOf(error);
      expect(answer).toMatchObject({ status, code, retryAfterSeconds });
      expect(JSON.stringify(answer)).not.toMatch(/salaries|db\.internal|iban|DE12/);
    },
  );

  it('has a row for every class of the tree', () => {
    const classes = Object.values(errors).filter(
      (each) => each !== errors.DatabaseError && each.prototype instanceof errors.DatabaseError,
    );
    const untested = classes.filter(
      (each) => !rows.some(([error]) => Object.getPrototypeOf(error) === each.prototype),
    );
    expect(untested.map(({ name }) => name)).toEqual([]);
  });

  it('keeps our code where another library sees the SQLSTATE as code', () => {
    const seen = Object.assign(new errors.UniqueViolationError('x', { sqlState: '23505' }), {
      code: '23505',
    });
    expect(httpAnswerOf(seen)).toMatchObject({ status: 409, code: 'DB_UNIQUE_VIOLATION' });
  });
});
