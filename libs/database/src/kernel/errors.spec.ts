// The error tree: codes that callers rely on, facts as fields, the mend in the message.
import { describe, expect, it } from '@jest/globals';
import { findDatabaseError } from './error-chain.js';
import {
  CircuitOpenError,
  ConfigurationError,
  ConnectionError,
  DatabaseError,
  InDoubtError,
  NotFoundRowError,
  ParameterError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  TooManyRowsError,
  UsageError,
} from './errors.js';
import {
  CheckViolationError,
  DeadlockError,
  ForeignKeyViolationError,
  NotNullViolationError,
  QueryError,
  ReadOnlyError,
  SerializationError,
  UniqueViolationError,
} from './query-errors.js';

const POOL = { leased: 20, max: 20, waiting: 7 };
const PROBLEM = { path: 'pool.max', value: '0', rule: 'must be more', mend: 'Raise it.' };

/** Error, its code, whether nothing was sent. */
const TREE: ReadonlyArray<readonly [DatabaseError, string, boolean]> = [
  [new ConfigurationError([PROBLEM]), 'DB_CONFIGURATION', true],
  [new ConnectionError('lost'), 'DB_CONNECTION', false],
  [new PoolTimeoutError('primary', 100.4, POOL, 1_000), 'DB_POOL_TIMEOUT', true],
  [new PoolOverloadedError('primary', POOL, 1_000), 'DB_POOL_OVERLOADED', true],
  [new CircuitOpenError('primary', 900.2), 'DB_CIRCUIT_OPEN', true],
  [new QueryTimeoutError(100), 'DB_QUERY_TIMEOUT', false],
  [new QueryAbortedError('left'), 'DB_QUERY_ABORTED', false],
  [new QueryError('no'), 'DB_QUERY', false],
  [new UniqueViolationError('no'), 'DB_UNIQUE_VIOLATION', false],
  [new ForeignKeyViolationError('no'), 'DB_FOREIGN_KEY_VIOLATION', false],
  [new NotNullViolationError('no'), 'DB_NOT_NULL_VIOLATION', false],
  [new CheckViolationError('no'), 'DB_CHECK_VIOLATION', false],
  [new SerializationError('no'), 'DB_SERIALIZATION', false],
  [new DeadlockError('no'), 'DB_DEADLOCK', false],
  [new ReadOnlyError('no'), 'DB_READ_ONLY', false],
  [new InDoubtError('perhaps'), 'DB_IN_DOUBT', false],
  [new NotFoundRowError('none'), 'DB_NOT_FOUND_ROW', false],
  [new TooManyRowsError('many', 3), 'DB_TOO_MANY_ROWS', false],
  [new ParameterError(2, 'no'), 'DB_PARAMETER', true],
  [new UsageError('no'), 'DB_USAGE', true],
  [new ShutdownError('closed'), 'DB_SHUTDOWN', true],
  [new ShutdownError('cancelled', {}), 'DB_SHUTDOWN', false],
];

describe('the tree', () => {
  it.each(TREE.map(([error, ...facts]) => [error.name, error, ...facts] as const))(
    '%s',
    (_, error, code, safeToRetry) => {
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code, safeToRetry, name: error.constructor.name });
      expect(error.outage).toBe(false);
      expect(error.stack).toContain(error.message.split('\n')[0]);
    },
  );

  it('has a code for each class, which no other one has', () => {
    const codes = new Map(TREE.map(([error, code]) => [error.constructor.name, code]));
    expect(new Set(codes.values()).size).toBe(codes.size);
  });

  it('keeps kinds of refused statements under one roof', () => {
    const kinds = TREE.filter(([error]) => error instanceof QueryError).map(
      ([error]) => error.name,
    );
    expect(kinds).toHaveLength(8);
  });
});

describe('facts', () => {
  it('stand in fields, and the cause where there is one', () => {
    const cause = new Error('socket');
    const error = new ConnectionError('lost', { cause, outage: true, sqlState: '08006' });
    expect(error).toMatchObject({ cause, outage: true, sqlState: '08006', transient: true });
    expect('cause' in new ConnectionError('lost')).toBe(false);
  });

  it('of a pool stand in the message too, with what to do', () => {
    const [, , timeout, overloaded] = TREE.map(([error]) => error.message);
    expect(timeout).toBe(
      'No connection to "primary" came free in 100 ms (20/20 leased, 7 waiting). ' +
        'Look for a lease that is held too long before you raise pool.max.',
    );
    expect(overloaded).toMatch(
      /queue of "primary" is full \(20\/20 leased, 7 waiting\)\. Answer 503/,
    );
  });

  it('of a pool whose connections fail point at the cause instead', () => {
    const cause = new ConnectionError('refused');
    const { message } = new PoolTimeoutError('primary', 1, POOL, 1_000, cause);
    expect(message).toMatch(/New connections to the server fail as well: see the cause\./);
  });

  it('of options are listed with path, value, rule and mend', () => {
    expect(new ConfigurationError([PROBLEM]).message).toBe(
      'One option is wrong:\n  - pool.max = 0: must be more. Raise it.',
    );
    expect(new ConfigurationError([PROBLEM, PROBLEM]).message).toMatch(/^2 options are wrong:/);
  });
});

describe('an error inside the errors of other libraries', () => {
  const ours = new SerializationError('again');

  it.each<[string, unknown, unknown]>([
    ['itself', ours, ours],
    ['a cause', new Error('drizzle', { cause: ours }), ours],
    ['TypeORM’s driverError', Object.assign(new Error('typeorm'), { driverError: ours }), ours],
    ['several wrappers', new Error('a', { cause: new Error('b', { cause: ours }) }), ours],
    ['nobody', new Error('other'), undefined],
    ['a text', 'text', undefined],
    ['nothing', undefined, undefined],
    ['a plain object', { cause: ours }, undefined],
  ])('is looked for in %s', (_, error, found) => {
    expect(findDatabaseError(error)).toBe(found);
  });

  it('is the outermost of ours', () => {
    const outer = new UsageError('outer', ours);
    expect(findDatabaseError(new Error('x', { cause: outer }))).toBe(outer);
  });

  it('is not looked for in circles', () => {
    const circle = new Error('a');
    circle.cause = circle;
    expect(findDatabaseError(circle)).toBeUndefined();
  });
});
