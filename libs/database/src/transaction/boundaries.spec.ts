// The texts at both ends of a transaction, and the limits of what runs between them.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { translateQueryError } from '../driver/sqlstate.js';
import { ConnectionError, QueryAbortedError, QueryTimeoutError } from '../kernel/errors.js';
import { ReadOnlyError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { FakeClock } from '../testing/fake-clock.js';
import { beginTexts, hasLostRole, isLost, withDeadline } from './boundaries.js';
import type { Beginning } from './boundaries.js';

describe('BEGIN', () => {
  it.each<[Beginning, number, string]>([
    [{}, 30_000, 'BEGIN; SET LOCAL statement_timeout = 30000'],
    [
      { isolation: 'read committed' },
      1,
      'BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 1',
    ],
    [
      { isolation: 'repeatable read' },
      1,
      'BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 1',
    ],
    [
      { isolation: 'serializable' },
      1,
      'BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = 1',
    ],
    [{ readOnly: true }, 1, 'BEGIN READ ONLY; SET LOCAL statement_timeout = 1'],
    [{ readOnly: false, deferrable: false }, 1, 'BEGIN; SET LOCAL statement_timeout = 1'],
    [{ deferrable: true }, 1, 'BEGIN DEFERRABLE; SET LOCAL statement_timeout = 1'],
    [
      { isolation: 'serializable', readOnly: true, deferrable: true },
      1_500,
      'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SET LOCAL statement_timeout = 1500',
    ],
    [{}, 0.2, 'BEGIN; SET LOCAL statement_timeout = 1'],
    [{}, -5, 'BEGIN; SET LOCAL statement_timeout = 1'],
    [{}, 999.5, 'BEGIN; SET LOCAL statement_timeout = 1000'],
    // Few texts, so that they stay prepared.
    [{}, 1_000.5, 'BEGIN; SET LOCAL statement_timeout = 1100'],
    [{}, 29_997, 'BEGIN; SET LOCAL statement_timeout = 30000'],
  ])('%j within %d ms', (beginning, timeoutMs, text) => {
    expect(beginTexts(beginning, timeoutMs).join('; ')).toBe(text);
  });
});

describe('a callback', () => {
  let clock: FakeClock;
  let stopped: DatabaseError[];
  beforeEach(() => {
    clock = new FakeClock();
    stopped = [];
  });

  const within = <T>(work: () => Promise<T>, signal?: AbortSignal, ms = 100): Promise<T> => {
    const deadlineAtMs = clock.monotonicMs() + ms;
    return withDeadline(
      { clock, deadlineAtMs, signal, stop: (error) => stopped.push(error) },
      work,
    );
  };
  const never = (): Promise<never> => new Promise(() => undefined);

  it('gives what it resolves to, and leaves no timer', async () => {
    await expect(within(async () => 7)).resolves.toBe(7);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, () => Promise<never>]>([
    ['rejects', () => Promise.reject(new Error('boom'))],
    [
      'throws before its first await',
      () => {
        throw new Error('boom');
      },
    ],
  ])('that %s gives that very error, and leaves no timer', async (_, work) => {
    await expect(within(work)).rejects.toThrow('boom');
    expect(clock.pendingTimers).toBe(0);
    expect(stopped).toEqual([]);
  });

  it('that does not end is given up at its deadline', async () => {
    const ended = expect(within(never)).rejects.toBeInstanceOf(QueryTimeoutError);
    await clock.elapseMs(100);
    await ended;
  });

  it('that begins after its deadline is given up at once', async () => {
    clock.advanceMs(500);
    const ended = expect(within(never, undefined, -100)).rejects.toBeInstanceOf(QueryTimeoutError);
    await clock.elapseMs(0);
    await ended;
  });

  it('whose caller leaves is given up with the reason, and what runs is stopped', async () => {
    const controller = new AbortController();
    const ended = within(never, controller.signal).catch((error: unknown) => error);
    const reason = new Error('the user left');
    controller.abort(reason);
    const error = await ended;
    expect(error).toBeInstanceOf(QueryAbortedError);
    expect(error).toMatchObject({ cause: reason });
    expect(stopped).toEqual([error]);
  });

  it('whose caller has left before is not begun', async () => {
    let isBegun = false;
    const work = async (): Promise<void> => void (isBegun = true);
    await expect(within(work, AbortSignal.abort())).rejects.toBeInstanceOf(QueryAbortedError);
    expect(isBegun).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('hears no signal after its end', async () => {
    const controller = new AbortController();
    await within(async () => 1, controller.signal);
    controller.abort();
    expect(stopped).toEqual([]);
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
