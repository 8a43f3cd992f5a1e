// Attempts, deadline and circuit of one node, with the rest of the trip played by a script.
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  CircuitOpenError,
  ConnectionError,
  PoolTimeoutError,
  QueryTimeoutError,
  ShutdownError,
} from '../kernel/errors.js';
import { QueryError, SerializationError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { Events } from '../kernel/events.js';
import { before } from '../query/stage.js';
import type { Enter } from '../query/stage.js';
import { FakeClock } from '../testing/fake-clock.js';
import { stageContract } from '../testing/stage-contract.js';
import { Rest, TripBench } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { BREAKER_DEFAULTS, RETRY_DEFAULTS } from './resilience.options.js';
import type { BreakerOptions, RetryOptions } from './resilience.options.js';
import { ResilienceStage } from './resilience.stage.js';
import { RetryBudget } from './retry-budget.js';

function build(
  clock: FakeClock,
  options: { retry?: Partial<RetryOptions>; breaker?: Partial<BreakerOptions> } = {},
): { stage: ResilienceStage; breaker: CircuitBreaker; budget: RetryBudget } {
  const retry = { ...RETRY_DEFAULTS, jitter: 0, ...options.retry };
  const limits = { ...BREAKER_DEFAULTS, ...options.breaker };
  const breaker = new CircuitBreaker('primary', limits, clock, new Events());
  const budget = new RetryBudget(retry.budgetRatio);
  const stage = new ResilienceStage({
    node: 'primary',
    clock,
    retry,
    budget,
    breaker,
    defaultTimeoutMs: 10_000,
  });
  return { stage, breaker, budget };
}

describe('the contract of a stage', () => {
  const cases = stageContract((rest, clock) => ({
    enter: before(build(clock).stage, rest.enter),
  }));
  for (const { name, run } of cases) it(name, run);
});

const refused = (): DatabaseError =>
  new ConnectionError('refused', { safeToRetry: true, outage: true });
const lost = (): DatabaseError => new ConnectionError('lost', { safeToRetry: false, outage: true });
const wrongPassword = (): DatabaseError =>
  new ConnectionError('password', { safeToRetry: true, transient: false });

let clock: FakeClock;
let bench: TripBench;
let rest: Rest;
let breaker: CircuitBreaker;
let budget: RetryBudget;
let enter: Enter;

function use(options: Parameters<typeof build>[1] = {}): void {
  const built = build(clock, options);
  ({ breaker, budget } = built);
  enter = before(built.stage, rest.enter);
}

beforeEach(() => {
  clock = new FakeClock();
  bench = new TripBench(clock);
  rest = new Rest(clock);
  use();
});

const errorOf = ({ ends }: BenchedTrip): unknown => {
  const [end] = ends;
  return end !== undefined && 'error' in end ? end.error : undefined;
};

describe('repetition', () => {
  it.each<[string, () => DatabaseError, boolean, number]>([
    ['a connection that was refused', refused, false, 3],
    ['a connection that was lost, of a statement that may run twice', lost, true, 3],
    ['a connection that was lost, of a statement that may not', lost, false, 1],
    ['a wrong password', wrongPassword, true, 1],
    [
      'a serialization failure: alone, the statement is the whole transaction',
      () => new SerializationError('x'),
      false,
      3,
    ],
    ['an error of the statement', () => new QueryError('x'), true, 1],
    [
      'a full pool',
      () => new PoolTimeoutError('a', 1, { leased: 1, max: 1, waiting: 0 }, 1),
      true,
      1,
    ],
    ['a timeout', () => new QueryTimeoutError(1), true, 1],
    ['shutdown', () => new ShutdownError('x'), true, 1],
  ])('after %s', async (_, fail, repeatable, attempts) => {
    const error = fail();
    rest.script = () => ({ error });
    const benched = bench.send(enter, { repeatable });
    await clock.elapseMs(5_000);
    expect(rest.asked).toBe(attempts);
    expect(benched.trip.attempts).toBe(attempts);
    expect(errorOf(benched)).toBe(error);
  });

  it('waits longer each time, and ends with the first success', () => {
    const atMs: number[] = [];
    rest.script = () => {
      atMs.push(clock.monotonicMs());
      return atMs.length < 4 ? { error: refused() } : { result: 'answer' };
    };
    use({ retry: { attempts: 5 } });
    const { ends } = bench.send(enter);
    clock.advanceMs(5_000);
    expect(atMs).toEqual([0, 100, 300, 700]);
    expect(ends).toEqual([{ result: 'answer' }]);
  });

  it('does not wait past the deadline: the failure is told at once', () => {
    const error = refused();
    rest.script = () => ({ error });
    const benched = bench.send(enter, { timeoutMs: 250 });
    clock.advanceMs(100);
    expect(rest.asked).toBe(2);
    expect(errorOf(benched)).toBe(error);
    expect(clock.monotonicMs()).toBe(100);
  });

  it('does not happen when another node can be tried: that is for routing', () => {
    rest.script = () => ({ error: refused() });
    const { trip, ends } = bench.open();
    trip.hasAlternative = true;
    enter(trip);
    expect(rest.asked).toBe(1);
    expect(ends).toHaveLength(1);
  });

  it('does not happen to a trip that is pinned to a connection', () => {
    const pinned = { node: 'primary', enter: () => undefined };
    rest.script = () => ({ error: refused() });
    const { trip, ends } = bench.send(enter, { pinned, repeatable: true });
    expect(rest.asked).toBe(1);
    expect(trip.attempts).toBe(1);
    expect(ends).toHaveLength(1);
  });

  it('stops when the budget is spent, and begins again with successes', async () => {
    rest.script = () => ({ error: refused() });
    use({ breaker: { minimumCalls: 1_000_000 } });
    for (let i = 0; i < 100; i++) bench.send(enter);
    await clock.elapseMs(5_000);
    expect(rest.asked).toBe(100 + 20);
    rest.script = () => ({ result: 'answer' });
    for (let i = 0; i < 11; i++) bench.send(enter);
    rest.asked = 0;
    rest.script = () => ({ error: refused() });
    for (let i = 0; i < 10; i++) bench.send(enter);
    await clock.elapseMs(5_000);
    expect(rest.asked).toBe(10 + 2);
    expect(budget.take()).toBe(false);
  });

  it('does not happen after the caller has gone', async () => {
    rest.script = () => ({ error: refused() });
    const controller = new AbortController();
    const { ends } = bench.send(enter, { signal: controller.signal });
    await clock.elapseMs(50);
    controller.abort();
    expect(ends).toHaveLength(1);
    await clock.elapseMs(5_000);
    expect(rest.asked).toBe(1);
  });
});

describe('the deadline', () => {
  it('is the node’s default for a trip without one, counted from the call', () => {
    const { trip } = bench.open();
    clock.advanceMs(700);
    rest.script = () => 'nothing';
    enter(trip);
    expect(trip.deadlineAtMs).toBe(10_000);
    clock.advanceMs(10_000);
    expect(trip.isDone).toBe(true);
  });

  it('is left alone where there is one, and on a pinned trip', () => {
    const own = bench.send(enter, { timeoutMs: 20_000 });
    expect(own.trip.deadlineAtMs).toBe(20_000);
    const pinned = { node: 'primary', enter: () => undefined };
    expect(bench.send(enter, { pinned }).trip.deadlineAtMs).toBeUndefined();
  });
});

describe('the circuit', () => {
  const open = (): void => {
    use({ retry: { attempts: 1 }, breaker: { minimumCalls: 5 } });
    rest.script = () => ({ error: refused() });
    for (let i = 0; i < 5; i++) bench.send(enter);
    expect(breaker.snapshot().state).toBe('open');
    rest.asked = 0;
  };

  it('opens on failures of the node, and then refuses without asking it', () => {
    open();
    const benched = bench.send(enter);
    expect(rest.asked).toBe(0);
    expect(benched.trip.attempts).toBe(0);
    const error = errorOf(benched) as CircuitOpenError;
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({ node: 'primary', retryAfterMs: 1_000, safeToRetry: true });
    expect(error.cause).toMatchObject({ message: 'refused' });
  });

  it('closes again when the probes are answered', () => {
    open();
    clock.advanceMs(1_000);
    rest.script = () => ({ result: 'answer' });
    bench.send(enter);
    expect(breaker.snapshot().state).toBe('half-open');
    bench.send(enter);
    expect(breaker.snapshot().state).toBe('closed');
  });

  it.each<[string, DatabaseError]>([
    ['errors of statements', new QueryError('x')],
    ['serialization failures', new SerializationError('x')],
    ['full pools', new PoolTimeoutError('a', 1, { leased: 1, max: 1, waiting: 0 }, 1)],
    ['timeouts', new QueryTimeoutError(1)],
    ['wrong passwords', wrongPassword()],
    ['shutdown', new ShutdownError('x')],
  ])('never opens on %s', (_, error) => {
    use({ retry: { attempts: 1 }, breaker: { minimumCalls: 5 } });
    rest.script = () => ({ error });
    for (let i = 0; i < 100; i++) bench.send(enter);
    expect(breaker.snapshot().state).toBe('closed');
  });

  it('counts an error of a statement as an answer, a refusal of our own as nothing', () => {
    rest.script = () => ({ error: new QueryError('x') });
    bench.send(enter);
    expect(breaker.snapshot()).toMatchObject({ calls: 1, failures: 0 });
    rest.script = () => ({ error: new QueryTimeoutError(1) });
    bench.send(enter);
    expect(breaker.snapshot()).toMatchObject({ calls: 1, failures: 0 });
  });

  it('counts each attempt of a trip', async () => {
    rest.script = () => ({ error: refused() });
    bench.send(enter);
    await clock.elapseMs(5_000);
    expect(breaker.snapshot()).toMatchObject({ calls: 3, failures: 3 });
  });

  it('gets every ticket back, whatever becomes of the trip', () => {
    open();
    clock.advanceMs(1_000);
    rest.script = () => 'nothing';
    const trips = [bench.send(enter), bench.send(enter)];
    expect(errorOf(bench.send(enter))).toBeInstanceOf(CircuitOpenError);
    for (const { trip } of trips) trip.interrupt(new ShutdownError('x'));
    rest.script = () => ({ result: 'answer' });
    expect(bench.send(enter).ends).toEqual([{ result: 'answer' }]);
    expect(bench.send(enter).ends).toEqual([{ result: 'answer' }]);
    expect(breaker.snapshot().state).toBe('closed');
  });

  it('says nothing about trips that are pinned: their connection stands or falls by itself', () => {
    open();
    const pinned = { node: 'primary', enter: () => undefined };
    rest.script = () => ({ result: 'answer' });
    expect(bench.send(enter, { pinned }).ends).toEqual([{ result: 'answer' }]);
    expect(breaker.snapshot().state).toBe('open');
  });
});
