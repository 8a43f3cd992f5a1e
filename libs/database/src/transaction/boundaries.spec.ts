// The texts at both ends of a transaction, and what its failures mean.
import { describe, expect, it } from '@jest/globals';
import { translateQueryError } from '../driver/sqlstate.js';
import { ConnectionError } from '../kernel/errors.js';
import { ReadOnlyError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { beginTexts, hasLostRole, isLost } from './boundaries.js';
import type { Beginning } from './boundaries.js';

describe('BEGIN', () => {
  it.each<[Beginning, number, string]>([
    // A little more than is left: the error of this process is to come first.
    [{}, 30_000, 'BEGIN; SET LOCAL statement_timeout = 30100'],
    [
      { isolation: 'read committed' },
      1,
      'BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 21',
    ],
    [
      { isolation: 'repeatable read' },
      1,
      'BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 21',
    ],
    [
      { isolation: 'serializable' },
      1,
      'BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = 21',
    ],
    [{ readOnly: true }, 1, 'BEGIN READ ONLY; SET LOCAL statement_timeout = 21'],
    [{ readOnly: false, deferrable: false }, 1, 'BEGIN; SET LOCAL statement_timeout = 21'],
    [{ deferrable: true }, 1, 'BEGIN DEFERRABLE; SET LOCAL statement_timeout = 21'],
    [
      { isolation: 'serializable', readOnly: true, deferrable: true },
      1_500,
      'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SET LOCAL statement_timeout = 1600',
    ],
    [{}, 0.2, 'BEGIN; SET LOCAL statement_timeout = 21'],
    [{}, -5, 'BEGIN; SET LOCAL statement_timeout = 1'],
    [{}, 979.5, 'BEGIN; SET LOCAL statement_timeout = 1000'],
    // Few texts, so that they stay prepared.
    [{}, 1_000.5, 'BEGIN; SET LOCAL statement_timeout = 1100'],
    [{}, 29_997, 'BEGIN; SET LOCAL statement_timeout = 30100'],
  ])('%j within %d ms', (beginning, timeoutMs, text) => {
    expect(beginTexts(beginning, timeoutMs).join('; ')).toBe(text);
  });
});

describe('a failure', () => {
  const state = (code: string): DatabaseError =>
    translateQueryError(Object.assign(new Error('no'), { code, severity: 'ERROR' }));

  it.each<[string, unknown, boolean, boolean]>([
    ['57P01', state('57P01'), true, false],
    ['a lost socket', translateQueryError(new Error('terminated')), true, false],
    ['a wrong password', new ConnectionError('no', { transient: false }), false, false],
    ['40001', state('40001'), false, false],
    ['25006', state('25006'), false, true],
    ['a refusal of our own to write', new ReadOnlyError('no', { safeToRetry: true }), false, false],
    ['something else', new Error('boom'), false, false],
    ['25006, wrapped by another library', new Error('orm', { cause: state('25006') }), false, true],
    ['57P01, wrapped by another library', new Error('orm', { cause: state('57P01') }), true, false],
  ])('by %s', (_, error, lost, lostRole) => {
    expect(isLost(error)).toBe(lost);
    expect(hasLostRole(error, {})).toBe(lostRole);
    expect(hasLostRole(error, { readOnly: true })).toBe(false);
  });
});
