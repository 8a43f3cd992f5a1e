// A call on its way: settled once, interrupted wherever it is, sent down again by whoever keeps it.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { QueryAbortedError, ShutdownError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { FakeClock } from '../testing/fake-clock.js';
import { TripBench } from '../testing/trip-bench.js';
import { before, last } from './stage.js';
import type { Enter, Stage } from './stage.js';
import type { Phase, Trip } from './trip.js';

let clock: FakeClock;
let bench: TripBench;
/** What the stages did, in order. */
let log: string[];

beforeEach(() => {
  clock = new FakeClock();
  bench = new TripBench(clock);
  log = [];
});

const failure = (): DatabaseError => new QueryError('no', { sqlState: '42601' });

/** A stage that lets everything pass, and says so. */
function passing(name: string): Stage {
  return {
    enter: (trip, next) => {
      log.push(`${name} in`);
      next(trip);
    },
    settled: ({ error }) => {
      log.push(`${name} out ${error === undefined ? 'ok' : 'failed'}`);
      return false;
    },
  };
}

/** A phase that remembers who was in it. */
function waiting(name: string): Phase {
  return {
    due: (trip) => {
      log.push(`${name} due at ${clock.monotonicMs()}`);
      trip.settle(failure(), undefined);
    },
    interrupt: (trip, error) => {
      log.push(`${name} interrupted`);
      trip.settle(error, undefined);
    },
  };
}

/** A last stage that holds the trip in a phase. */
function holding(name = 'server', dueAtMs = Number.POSITIVE_INFINITY): Stage {
  const phase = waiting(name);
  return {
    enter: (trip) => {
      log.push(`${name} in`);
      trip.begin(phase, clock.monotonicMs(), dueAtMs);
    },
  };
}

/** A last stage that answers at once. */
const answering = (error?: DatabaseError): Stage => ({
  enter: (trip) => trip.settle(error, 'answer'),
});

const three = (end: Stage): Enter =>
  before(passing('first'), before(passing('second'), before(passing('third'), last(end))));

describe('the path', () => {
  it('leads down through the stages, and back up in reverse', () => {
    const { ends } = bench.send(three(answering()));
    expect(ends).toEqual([{ result: 'answer' }]);
    expect(log).toEqual([
      'first in',
      'second in',
      'third in',
      'third out ok',
      'second out ok',
      'first out ok',
    ]);
  });

  it('leads an error back through every stage', () => {
    const error = failure();
    const { ends } = bench.send(three(answering(error)));
    expect(ends).toEqual([{ error }]);
    expect(log.slice(3)).toEqual(['third out failed', 'second out failed', 'first out failed']);
  });

  it('leads back from where the trip was settled, not from further down', () => {
    const refusing: Stage = { enter: (trip) => trip.settle(failure(), undefined) };
    bench.send(before(passing('first'), before(refusing, three(answering()))));
    expect(log).toEqual(['first in', 'first out failed']);
  });

  it('has no way on behind the last stage', () => {
    const passingOn: Stage = { enter: (trip, next) => next(trip) };
    expect(() => bench.send(last(passingOn))).toThrow(/left the last stage: SELECT 1/);
  });

  it('lets a stage without a way back be', () => {
    const quiet: Stage = { enter: (trip, next) => next(trip) };
    const { ends } = bench.send(before(quiet, last(answering())));
    expect(ends).toEqual([{ result: 'answer' }]);
  });
});

describe('settling', () => {
  it('happens once: whatever comes later is dropped', () => {
    const { trip, ends } = bench.send(last(answering()));
    trip.settle(failure(), undefined);
    trip.settle(undefined, 'another answer');
    trip.interrupt(new ShutdownError('late'));
    expect(ends).toEqual([{ result: 'answer' }]);
    expect(bench.finishedTrips).toEqual([trip]);
    expect(trip.isDone).toBe(true);
  });

  it('takes the deadline away, so that nothing stays armed', () => {
    const { trip } = bench.send(last(holding()), { timeoutMs: 1_000 });
    expect(bench.wheel.size).toBe(1);
    trip.settle(undefined, 'answer');
    expect(bench.wheel.size).toBe(0);
    clock.advanceMs(5_000);
    expect(log).toEqual(['server in']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is told to the connection the trip was pinned to, before the caller hears of it', () => {
    const told: string[] = [];
    const explained = failure();
    const pinned = {
      node: 'primary',
      enter: (trip: Trip) => trip.settle(failure(), undefined),
      returning: (trip: Trip) => {
        told.push(`returning, caller told ${ends.length} times`);
        trip.error = explained;
      },
    };
    const { trip, ends } = bench.open({ pinned });
    pinned.enter(trip);
    expect(told).toEqual(['returning, caller told 0 times']);
    expect(ends).toEqual([{ error: explained }]);
  });
});

describe('a stage that keeps the trip', () => {
  /** Sends a failed trip down again until `times` are used up; at once, or when the test says. */
  function repeating(name: string, times: number, later?: (again: () => void) => void): Stage {
    let left = times;
    return {
      enter: (trip, next) => next(trip),
      settled: (trip, next) => {
        if (trip.error === undefined || left-- <= 0) return false;
        log.push(`${name} repeats`);
        const again = (): void => next(trip);
        if (later === undefined) again();
        else later(again);
        return true;
      },
    };
  }

  it('sends it down again at once, and it settles once', () => {
    const error = failure();
    const { trip, ends } = bench.send(
      before(passing('outermost'), before(repeating('retry', 3), three(answering(error)))),
    );
    expect(ends).toEqual([{ error }]);
    expect(log.filter((line) => line === 'retry repeats')).toHaveLength(3);
    expect(log.filter((line) => line === 'third in')).toHaveLength(4);
    expect(log.at(-1)).toBe('outermost out failed');
    expect(log.filter((line) => line.startsWith('outermost out'))).toHaveLength(1);
    expect(trip.isDone).toBe(true);
  });

  it('sends it down again later; meanwhile it is not done', () => {
    let again: () => void = () => undefined;
    let error: DatabaseError | undefined = failure();
    const end: Stage = { enter: (trip) => trip.settle(error, 'answer') };
    const retry = repeating('retry', 1, (run) => (again = run));
    const { trip, ends } = bench.send(before(retry, last(end)));
    expect([trip.isDone, ends.length]).toEqual([false, 0]);
    error = undefined;
    again();
    expect(ends).toEqual([{ result: 'answer' }]);
    expect(trip.error).toBeUndefined();
  });

  it('may stand above another one: each uses up its own times', () => {
    const { ends } = bench.send(
      before(repeating('outer', 2), before(repeating('inner', 2), last(answering(failure())))),
    );
    expect(ends).toHaveLength(1);
    expect(log).toEqual(['inner repeats', 'inner repeats', 'outer repeats', 'outer repeats']);
  });

  it('may send it into another chain', () => {
    const other = before(passing('other'), last(answering()));
    const switching: Stage = {
      enter: (trip, next) => next(trip),
      settled: (trip) => {
        if (trip.error === undefined) return false;
        other(trip);
        return true;
      },
    };
    const { ends } = bench.send(before(switching, last(answering(failure()))));
    expect(ends).toEqual([{ result: 'answer' }]);
    expect(log).toEqual(['other in', 'other out ok']);
  });
});

describe('an interruption', () => {
  it('goes to the phase the trip is in, which knows what to clean up', () => {
    const error = new ShutdownError('closing');
    const { trip, ends } = bench.send(three(holding('queue')));
    trip.interrupt(error);
    expect(ends).toEqual([{ error }]);
    expect(log.slice(3)).toEqual([
      'queue in',
      'queue interrupted',
      'third out failed',
      'second out failed',
      'first out failed',
    ]);
  });

  it('goes to the last phase only, when there were several', () => {
    const { trip } = bench.send(last(holding('queue')));
    trip.leave();
    trip.begin(waiting('server'), clock.monotonicMs(), Number.POSITIVE_INFINITY);
    trip.interrupt(new ShutdownError('closing'));
    expect(log).toEqual(['queue in', 'server interrupted']);
  });

  it('between two phases settles the trip by itself', () => {
    const { trip, ends } = bench.send(last(holding('queue')));
    trip.leave();
    trip.interrupt(new ShutdownError('closing'));
    expect(log).toEqual(['queue in']);
    expect(ends).toHaveLength(1);
  });

  it('before the trip was sent settles it too', () => {
    const { trip, ends } = bench.open();
    trip.interrupt(new ShutdownError('closing'));
    expect(ends).toHaveLength(1);
  });

  it('comes from the signal of the caller, with its reason', () => {
    const controller = new AbortController();
    const { ends } = bench.send(last(holding()), { signal: controller.signal });
    const reason = new Error('the user left');
    controller.abort(reason);
    expect(ends).toEqual([{ error: expect.any(QueryAbortedError) }]);
    expect(ends[0]).toMatchObject({ error: { cause: reason, safeToRetry: true } });
  });

  it('tells whether the statement had been sent', () => {
    const controller = new AbortController();
    const { trip, ends } = bench.send(last(holding()), { signal: controller.signal });
    trip.isSent = true;
    controller.abort();
    expect(ends[0]).toMatchObject({ error: { safeToRetry: false } });
  });

  it('is not listened for any more once the trip is done', () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    for (let i = 0; i < 100; i++) bench.send(last(answering()), { signal });
    expect(listeners).toBe(0);
  });
});

describe('the deadline', () => {
  it('is the request’s time, counted from the call', () => {
    clock.advanceMs(1_000);
    const { trip } = bench.open({ timeoutMs: 250 });
    expect([trip.openedAtMs, trip.deadlineAtMs]).toEqual([1_000, 1_250]);
    expect(bench.open().trip.deadlineAtMs).toBeUndefined();
  });

  it('ends a phase that has no end of its own', () => {
    bench.send(last(holding()), { timeoutMs: 250 });
    clock.advanceMs(1_000);
    expect(log).toEqual(['server in', 'server due at 250']);
  });

  it('ends a phase that would last longer, and leaves a shorter one its own end', () => {
    bench.send(last(holding('long', 900)), { timeoutMs: 250 });
    bench.send(last(holding('short', 100)), { timeoutMs: 250 });
    clock.advanceMs(1_000);
    expect(log.slice(2)).toEqual(['short due at 100', 'long due at 250']);
  });

  it('is armed only where there is one', () => {
    bench.send(last(holding()));
    expect(bench.wheel.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that has passed already ends the phase at the next turn', () => {
    const { trip } = bench.open({ timeoutMs: 10 });
    clock.advanceMs(100);
    last(holding())(trip);
    expect(log).toEqual(['server in']);
    clock.advanceMs(5);
    expect(log).toEqual(['server in', 'server due at 105']);
  });
});
