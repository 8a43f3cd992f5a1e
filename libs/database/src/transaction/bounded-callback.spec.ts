// What bounds the callback of a transaction: its deadline, its caller, and nothing after its end.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { DatabaseError } from '../kernel/errors.js';
import { QueryAbortedError, QueryTimeoutError } from '../kernel/errors.js';
import { TimerWheel } from '../kernel/timer-wheel.js';
import { FakeClock } from '../testing/fake-clock.js';
import { withDeadline } from './bounded-callback.js';

describe('a callback', () => {
  let clock: FakeClock;
  let wheel: TimerWheel;
  let stopped: DatabaseError[];
  beforeEach(() => {
    clock = new FakeClock();
    wheel = new TimerWheel(clock);
    stopped = [];
  });

  const within = <T>(work: () => Promise<T>, signal?: AbortSignal, ms = 100): Promise<T> => {
    const deadlineAtMs = clock.monotonicMs() + ms;
    const stop = (error: DatabaseError): void => void stopped.push(error);
    return withDeadline({ wheel, deadlineAtMs, leftMs: ms, signal, stop }, work);
  };
  /** The wheel stops at its next turn when it holds nothing. */
  const nothingIsLeft = async (): Promise<void> => {
    expect(wheel.size).toBe(0);
    await clock.elapseMs(5);
    expect(clock.pendingTimers).toBe(0);
  };
  const never = (): Promise<never> => new Promise(() => undefined);

  it('gives what it resolves to, and leaves no timer', async () => {
    await expect(within(async () => 7)).resolves.toBe(7);
    await nothingIsLeft();
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
    await nothingIsLeft();
    expect(stopped).toEqual([]);
  });

  it('that does not end is given up at its deadline', async () => {
    const ended = expect(within(never)).rejects.toBeInstanceOf(QueryTimeoutError);
    await clock.elapseMs(100);
    await ended;
  });

  it('whose deadline has passed before is not begun', async () => {
    let isBegun = false;
    const work = async (): Promise<void> => void (isBegun = true);
    await expect(within(work, undefined, -100)).rejects.toBeInstanceOf(QueryTimeoutError);
    expect(isBegun).toBe(false);
    await nothingIsLeft();
  });

  it('that was given up hears no signal, and may end without harm', async () => {
    const controller = new AbortController();
    let end: (value: number) => void = () => undefined;
    const ended = expect(
      within(() => new Promise<number>((resolve) => (end = resolve)), controller.signal),
    ).rejects.toBeInstanceOf(QueryTimeoutError);
    await clock.elapseMs(100);
    await ended;
    controller.abort();
    end(7);
    expect(stopped).toEqual([]);
    await nothingIsLeft();
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
    await nothingIsLeft();
  });

  it('hears no signal after its end', async () => {
    const controller = new AbortController();
    await within(async () => 1, controller.signal);
    controller.abort();
    expect(stopped).toEqual([]);
  });
});
