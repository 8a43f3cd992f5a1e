// The retry matrix, row by row: from what the driver met to what may be done again.
import { describe, expect, it } from '@jest/globals';
import { translateConnectError, translateQueryError } from '../driver/sqlstate.js';
import {
  CircuitOpenError,
  ConnectionError,
  InDoubtError,
  NotFoundRowError,
  ParameterError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { isNeutral, judgeError } from './retry-policy.js';
import type { RetryScope } from './retry-policy.js';

const POOL = { leased: 1, max: 1, waiting: 0 };
const SEEN = { label: 'db:5432/app', wantsTls: false, hasTls: false, wasClosed: false };

const onStatement = (code: string): DatabaseError =>
  translateQueryError(Object.assign(new Error('no'), { code, severity: 'ERROR' }));
const onNetwork = (code: string): DatabaseError =>
  translateQueryError(Object.assign(new Error('no'), { code }));
const onConnecting = (code: string, severity?: string): DatabaseError =>
  translateConnectError(
    Object.assign(new Error('no'), { code, ...(severity === undefined ? {} : { severity }) }),
    SEEN,
  );

/** Signal, what may be done again, whether the breaker counts it, whether nothing was sent. */
type Row = readonly [string, DatabaseError, RetryScope, boolean, boolean];

const MATRIX: readonly Row[] = [
  // Nothing was sent: the statement again, with jitter.
  ['ECONNREFUSED', onConnecting('ECONNREFUSED'), 'statement', true, true],
  ['ENOTFOUND', onConnecting('ENOTFOUND'), 'statement', true, true],
  ['EAI_AGAIN', onConnecting('EAI_AGAIN'), 'statement', true, true],
  ['ETIMEDOUT while connecting', onConnecting('ETIMEDOUT'), 'statement', true, true],
  ['57P03 while connecting', onConnecting('57P03', 'FATAL'), 'statement', true, true],
  ['53300 while connecting', onConnecting('53300', 'FATAL'), 'statement', true, true],
  // The whole transaction again, never one statement of it.
  ['40001', onStatement('40001'), 'transaction', false, false],
  ['40P01', onStatement('40P01'), 'transaction', false, false],
  // Unknown: only what may run twice.
  ['40003', onStatement('40003'), 'repeatable', true, false],
  ['08007', onStatement('08007'), 'repeatable', true, false],
  ['08006', onStatement('08006'), 'repeatable', true, false],
  ['ECONNRESET after the first byte', onNetwork('ECONNRESET'), 'repeatable', true, false],
  ['EPIPE after the first byte', onNetwork('EPIPE'), 'repeatable', true, false],
  ['57P01 while a statement runs', onStatement('57P01'), 'repeatable', true, false],
  ['57P02 while a statement runs', onStatement('57P02'), 'repeatable', true, false],
  // Another node is a matter of routing: the policy itself repeats nothing.
  ['25006', onStatement('25006'), 'no', false, false],
  // Never by themselves.
  ['57014', onStatement('57014'), 'no', false, false],
  ['55P03', onStatement('55P03'), 'no', false, false],
  ['25P02', onStatement('25P02'), 'no', false, false],
  ['26000', onStatement('26000'), 'no', false, false],
  ['42P05', onStatement('42P05'), 'no', false, false],
  ['0A000', onStatement('0A000'), 'no', false, false],
  ['22P02', onStatement('22P02'), 'no', false, false],
  ['23505', onStatement('23505'), 'no', false, false],
  ['42601', onStatement('42601'), 'no', false, false],
  ['28P01 while connecting', onConnecting('28P01', 'FATAL'), 'no', false, true],
  ['3D000 while connecting', onConnecting('3D000', 'FATAL'), 'no', false, true],
  // Refusals and ends of our own.
  ['no connection in time', new PoolTimeoutError('a', 1, POOL, 1), 'no', false, true],
  ['a full queue', new PoolOverloadedError('a', POOL, 1), 'no', false, true],
  ['an open circuit', new CircuitOpenError('a', 1), 'no', false, true],
  ['a timeout', new QueryTimeoutError(1), 'no', false, false],
  ['an abort', new QueryAbortedError('left'), 'no', false, false],
  ['a COMMIT in doubt', new InDoubtError('perhaps'), 'no', false, false],
  ['shutdown', new ShutdownError('closed'), 'no', false, true],
  ['a bad parameter', new ParameterError(1, 'no'), 'no', false, true],
  ['misuse', new UsageError('no'), 'no', false, true],
  ['no row', new NotFoundRowError('none'), 'no', false, false],
];

describe('the retry matrix', () => {
  it.each(MATRIX)('%s', (_, error, retry, outage, safeToRetry) => {
    expect(judgeError(error)).toEqual({ retry, outage, safeToRetry });
  });

  it.each(MATRIX)('%s, wrapped by another library', (_, error, retry, outage, safeToRetry) => {
    const byCause = new Error('drizzle', { cause: error });
    const byDriverError = Object.assign(new Error('typeorm'), { driverError: byCause });
    for (const wrapped of [byCause, byDriverError])
      expect(judgeError(wrapped)).toEqual({ retry, outage, safeToRetry });
  });

  it.each([new Error('ECONNREFUSED'), 'text', undefined, null, { code: '40001' }])(
    'never repeats what is not ours: %p',
    (error) => {
      expect(judgeError(error)).toEqual({ retry: 'no', outage: false, safeToRetry: false });
    },
  );

  it('does not go round in circles', () => {
    const circle = new Error('a');
    circle.cause = new Error('b', { cause: circle });
    expect(judgeError(circle).retry).toBe('no');
  });
});

describe('what says nothing about the health of a node', () => {
  it('is every refusal and interruption of our own, and no failure of the server', () => {
    const neutral = MATRIX.filter(([, error]) => isNeutral(error)).map(([name]) => name);
    expect(neutral).toEqual([
      '57014',
      'no connection in time',
      'a full queue',
      'an open circuit',
      'a timeout',
      'an abort',
      'shutdown',
    ]);
  });

  it('is never an outage', () => {
    expect(MATRIX.filter(([, error]) => isNeutral(error) && error.outage)).toEqual([]);
  });

  it('is no lost connection', () => {
    expect(isNeutral(new ConnectionError('lost'))).toBe(false);
  });
});
