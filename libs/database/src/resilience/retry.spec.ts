// A function of the caller's, repeated by the same policy.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError } from '../kernel/errors.js';
import { QueryError, SerializationError } from '../kernel/query-errors.js';
import { FakeClock } from '../testing/fake-clock.js';
import { RETRY_DEFAULTS } from './resilience.options.js';
import type { RetryScope } from './retry-policy.js';
import { retry } from './retry.js';
import type { RetryCall } from './retry.js';

let clock: FakeClock;
let told: Array<readonly [number, number]>;

beforeEach(() => {
  clock = new FakeClock();
  told = [];
});

const conflict = (): Error => new SerializationError('again', { sqlState: '40001' });

const call = (change: Partial<RetryCall> = {}): RetryCall => ({
  ...RETRY_DEFAULTS,
  jitter: 0,
  clock,
  signal: undefined,
  accepts: (scope: RetryScope) => scope === 'transaction',
  retrying: (attempt, delayMs) => told.push([attempt, delayMs]),
  ...change,
});

/** Fails with the errors, one after the other, then succeeds. */
function failing(...errors: unknown[]): {
  run: (attempt: number) => Promise<string>;
  attempts: number[];
} {
  const attempts: number[] = [];
  return {
    attempts,
    run: async (attempt) => {
      attempts.push(attempt);
      if (errors.length === 0) return 'done';
      throw errors.shift() as Error;
    },
  };
}

describe('retry', () => {
  it('has nothing to do for what succeeds', async () => {
    const { run, attempts } = failing();
    await expect(retry(run, call())).resolves.toBe('done');
    expect(attempts).toEqual([1]);
    expect(told).toEqual([]);
  });

  it('repeats after growing waits, and tells each', async () => {
    const { run, attempts } = failing(conflict(), conflict());
    const done = retry(run, call());
    await clock.elapseMs(99);
    expect(attempts).toEqual([1]);
    await clock.elapseMs(1);
    expect(attempts).toEqual([1, 2]);
    await clock.elapseMs(200);
    await expect(done).resolves.toBe('done');
    expect(attempts).toEqual([1, 2, 3]);
    expect(told).toEqual([
      [1, 100],
      [2, 200],
    ]);
  });

  it('rejects with the last failure when the attempts are used up', async () => {
    const last = conflict();
    const { run, attempts } = failing(conflict(), conflict(), last);
    const done = expect(retry(run, call({ attempts: 3 }))).rejects.toBe(last);
    await clock.elapseMs(10_000);
    await done;
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('does not repeat with one attempt', async () => {
    const { run, attempts } = failing(conflict());
    await expect(retry(run, call({ attempts: 1 }))).rejects.toThrow('again');
    expect(attempts).toEqual([1]);
  });

  it.each([
    ['what the caller does not accept', new ConnectionError('lost')],
    ['what may never be repeated', new QueryError('no')],
    ['what is not ours', new Error('boom')],
    ['what is no error', 'a text'],
  ])('does not repeat %s', async (_, error) => {
    const { run, attempts } = failing(error);
    await expect(retry(run, call())).rejects.toBe(error);
    expect(attempts).toEqual([1]);
  });

  it('repeats a function that throws before its first await', async () => {
    let runs = 0;
    const done = retry(() => {
      if (++runs === 1) throw conflict();
      return Promise.resolve('done');
    }, call());
    await clock.elapseMs(100);
    await expect(done).resolves.toBe('done');
  });

  it('asks what is accepted with the error at hand', async () => {
    const seen: unknown[] = [];
    const error = conflict();
    const accepts = (scope: RetryScope, given: unknown): boolean => {
      seen.push([scope, given]);
      return false;
    };
    await expect(retry(failing(error).run, call({ accepts }))).rejects.toBe(error);
    expect(seen).toEqual([['transaction', error]]);
  });
});

describe('a signal', () => {
  it('that is aborted lets no further attempt begin', async () => {
    const error = conflict();
    const { run, attempts } = failing(error);
    await expect(retry(run, call({ signal: AbortSignal.abort() }))).rejects.toBe(error);
    expect(attempts).toEqual([1]);
  });

  it('ends the wait at once, and the last failure is what is told', async () => {
    const controller = new AbortController();
    const error = conflict();
    const { run, attempts } = failing(error);
    const done = expect(retry(run, call({ signal: controller.signal }))).rejects.toBe(error);
    await clock.elapseMs(50);
    controller.abort(new Error('the user left'));
    await done;
    expect(attempts).toEqual([1]);
    expect(clock.pendingTimers).toBe(0);
  });
});
