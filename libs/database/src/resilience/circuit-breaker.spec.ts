// One circuit: window, minimum volume, probes, and results that come too late to mean anything.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import { CircuitBreaker } from './circuit-breaker.js';
import type { Ticket } from './circuit-breaker.js';
import { BREAKER_DEFAULTS } from './resilience.options.js';
import type { BreakerOptions } from './resilience.options.js';

const boom = new Error('ECONNREFUSED');

let clock: FakeClock;
let told: string[];
let breaker: CircuitBreaker;

/** Opens at half of at least 10 calls within 10 s, for 1 s, then lets 2 probes through. */
function build(options: Partial<BreakerOptions> = {}): CircuitBreaker {
  const events = new Events();
  events.on('circuit:opened', ({ openMs }) => told.push(`opened for ${openMs}`));
  events.on('circuit:half-opened', () => told.push('half-opened'));
  events.on('circuit:closed', () => told.push('closed'));
  return new CircuitBreaker('primary', { ...BREAKER_DEFAULTS, ...options }, clock, events);
}

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  breaker = build();
});

function enter(): Ticket {
  const ticket = breaker.enter();
  if (ticket === undefined) throw new Error('the call was refused');
  return ticket;
}

const succeed = (times = 1): void => {
  for (let i = 0; i < times; i++) breaker.succeeded(enter());
};
const fail = (times = 1): void => {
  for (let i = 0; i < times; i++) breaker.failed(enter(), boom);
};
const state = (): string => breaker.snapshot().state;

it('stays closed while others for the same work are out already', () => {
  let mayOpen = false;
  breaker = new CircuitBreaker('a', BREAKER_DEFAULTS, clock, new Events(), () => mayOpen);
  fail(50);
  expect(state()).toBe('closed');
  mayOpen = true;
  fail();
  expect(state()).toBe('open');
});

describe('a closed circuit', () => {
  it('lets everything in', () => {
    succeed(1_000);
    expect(breaker.snapshot()).toEqual({
      node: 'primary',
      state: 'closed',
      calls: 1_000,
      failures: 0,
      retryAfterMs: 0,
      lastError: undefined,
    });
  });

  it('does not open before the minimum of calls, however many of them fail', () => {
    fail(9);
    expect(state()).toBe('closed');
    fail();
    expect(state()).toBe('open');
  });

  it.each([
    [0.5, 10, 9, 'closed'],
    [0.5, 10, 10, 'open'],
    [0.1, 90, 9, 'closed'],
    [0.1, 90, 10, 'open'],
    [1, 1, 99, 'closed'],
    [1, 0, 10, 'open'],
  ])('with ratio %d, %i successes and then %i failures is %s', (failureRatio, ok, bad, end) => {
    breaker = build({ failureRatio });
    succeed(ok);
    for (let i = 0; i < bad && state() === 'closed'; i++) fail();
    expect(state()).toBe(end);
  });

  it('forgets what is older than its window', () => {
    fail(9);
    clock.advanceMs(10_000);
    expect(breaker.snapshot()).toMatchObject({ calls: 0, failures: 0 });
    fail(9);
    expect(state()).toBe('closed');
  });

  it('forgets bit by bit, not all at once', () => {
    for (let second = 0; second < 10; second++) {
      succeed(2);
      fail();
      clock.advanceMs(1_000);
    }
    const seen: number[] = [];
    for (let second = 0; second < 10; second++) {
      seen.push(breaker.snapshot().calls);
      clock.advanceMs(1_000);
    }
    expect(seen).toEqual([27, 24, 21, 18, 15, 12, 9, 6, 3, 0]);
  });

  it('remembers nothing of calls that were abandoned', () => {
    for (let i = 0; i < 100; i++) breaker.abandoned(enter());
    expect(breaker.snapshot()).toMatchObject({ calls: 0, failures: 0, state: 'closed' });
  });

  it('opens on failures that come in slowly, as long as they share a window', () => {
    for (let i = 0; i < 9; i++) {
      fail();
      clock.advanceMs(1_000);
    }
    fail();
    expect(state()).toBe('open');
  });

  it('stays closed for hours of rare failures', () => {
    for (let minute = 0; minute < 600; minute++) {
      succeed(20);
      fail(5);
      clock.advanceMs(60_000);
    }
    expect(state()).toBe('closed');
    expect(told).toEqual([]);
  });
});

describe('an open circuit', () => {
  beforeEach(() => fail(10));

  it('refuses at once, and says for how long and why', () => {
    expect(breaker.enter()).toBeUndefined();
    expect(breaker.isPassable).toBe(false);
    expect(breaker.retryAfterMs).toBe(1_000);
    clock.advanceMs(400);
    expect(breaker.retryAfterMs).toBe(600);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', lastError: 'ECONNREFUSED' });
    expect(breaker.lastError).toBe(boom);
    expect(told).toEqual(['opened for 1000']);
  });

  it('lets a probe in after its time, not before, and says so when it does', () => {
    clock.advanceMs(999);
    expect(breaker.enter()).toBeUndefined();
    clock.advanceMs(1);
    expect(breaker.isPassable).toBe(true);
    expect(state()).toBe('open');
    expect(breaker.enter()).toBeDefined();
    expect(state()).toBe('half-open');
    expect(told).toEqual(['opened for 1000', 'half-opened']);
  });
});

describe('a half-open circuit', () => {
  beforeEach(() => {
    fail(10);
    clock.advanceMs(1_000);
    told = [];
  });

  it('lets its probes through and refuses the rest: nobody queues behind them', () => {
    const probes = [enter(), enter()];
    expect(breaker.isPassable).toBe(false);
    for (let i = 0; i < 100; i++) expect(breaker.enter()).toBeUndefined();
    probes.forEach((probe) => breaker.succeeded(probe));
    expect(told).toEqual(['half-opened', 'closed']);
  });

  it('closes when all probes have succeeded, with a clean window', () => {
    const [first, second] = [enter(), enter()];
    breaker.succeeded(first);
    expect(state()).toBe('half-open');
    breaker.succeeded(second);
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', calls: 0, failures: 0 });
    fail(9);
    expect(state()).toBe('closed');
  });

  it('opens again at the first probe that fails, for its whole time', () => {
    const [first, second] = [enter(), enter()];
    clock.advanceMs(300);
    breaker.failed(first, boom);
    expect(state()).toBe('open');
    expect(breaker.retryAfterMs).toBe(1_000);
    breaker.succeeded(second);
    expect(state()).toBe('open');
    expect(told).toEqual(['half-opened', 'opened for 1000']);
  });

  it('gives the place of an abandoned probe to the next one', () => {
    breaker.abandoned(enter());
    breaker.abandoned(enter());
    const [first, second] = [enter(), enter()];
    breaker.succeeded(first);
    breaker.succeeded(second);
    expect(state()).toBe('closed');
  });

  it('takes successes one after the other as well', () => {
    breaker.succeeded(enter());
    breaker.succeeded(enter());
    expect(state()).toBe('closed');
  });

  it('can go round for ever', () => {
    for (let round = 0; round < 100; round++) {
      breaker.failed(enter(), boom);
      clock.advanceMs(1_000);
    }
    expect(told).toHaveLength(200);
    succeed(2);
    expect(told.at(-1)).toBe('closed');
  });
});

describe('a result of an older generation', () => {
  it('of before the circuit opened counts for nothing in the half-open one', () => {
    const slow = [enter(), enter(), enter()];
    fail(10);
    clock.advanceMs(1_000);
    const probe = enter();
    breaker.failed(slow[0] as Ticket, boom);
    breaker.succeeded(slow[1] as Ticket);
    breaker.abandoned(slow[2] as Ticket);
    expect(state()).toBe('half-open');
    expect(breaker.enter()).toBeDefined();
    expect(breaker.enter()).toBeUndefined();
    breaker.succeeded(probe);
    expect(state()).toBe('half-open');
  });

  it('of a probe counts for nothing once the circuit has closed or opened again', () => {
    fail(10);
    clock.advanceMs(1_000);
    const [first, second] = [enter(), enter()];
    breaker.failed(first, boom);
    clock.advanceMs(1_000);
    const [third, fourth] = [enter(), enter()];
    breaker.failed(second, boom);
    expect(state()).toBe('half-open');
    breaker.succeeded(third);
    breaker.succeeded(fourth);
    expect(state()).toBe('closed');
    breaker.failed(second, boom);
    expect(breaker.snapshot()).toMatchObject({ calls: 0, failures: 0 });
  });

  it('is still the last error that was seen', () => {
    const slow = enter();
    fail(10);
    const later = new Error('later');
    breaker.failed(slow, later);
    expect(breaker.lastError).toBe(later);
  });
});

it.each([1, 2, 3, 4, 5])(
  'agrees with a plain model through 5,000 random steps (seed %i)',
  (seed) => {
    let random_ = seed;
    const random = (): number =>
      (random_ = (random_ * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
    /** What a circuit is, without buckets and tickets. */
    const model = {
      state: 'closed' as 'closed' | 'open' | 'half-open',
      generation: 0,
      untilMs: 0,
      calls: [] as Array<{ readonly atMs: number; readonly failed: boolean }>,
      inFlight: 0,
      succeeded: 0,
    };
    const become = (name: typeof model.state): void => {
      model.state = name;
      model.generation++;
      model.inFlight = model.succeeded = 0;
      if (name === 'open') model.untilMs = clock.monotonicMs() + 1_000;
      if (name === 'closed') model.calls = [];
    };
    /** The window moves by whole seconds. */
    const inWindow = (): typeof model.calls => {
      const second = Math.floor(clock.monotonicMs() / 1_000);
      return model.calls.filter(({ atMs }) => second - Math.floor(atMs / 1_000) < 10);
    };
    const out: Array<{ readonly ticket: Ticket; readonly generation: number }> = [];
    for (let step = 0; step < 5_000; step++) {
      const dice = random();
      if (dice < 0.5) {
        if (model.state === 'open' && clock.monotonicMs() >= model.untilMs) become('half-open');
        const isLetIn =
          model.state === 'closed' || (model.state === 'half-open' && model.inFlight < 2);
        if (isLetIn && model.state === 'half-open') model.inFlight++;
        const ticket = breaker.enter();
        expect(ticket !== undefined).toBe(isLetIn);
        if (ticket !== undefined) out.push({ ticket, generation: model.generation });
      } else if (dice < 0.95 && out.length > 0) {
        const [one] = out.splice(Math.floor(random() * out.length), 1);
        const { ticket, generation } = one as (typeof out)[number];
        const isCurrent = generation === model.generation;
        const end = random();
        if (end < 0.1) {
          breaker.abandoned(ticket);
          if (isCurrent && model.state === 'half-open') model.inFlight--;
        } else if (end < 0.6) {
          breaker.failed(ticket, boom);
          if (isCurrent && model.state === 'half-open') become('open');
          else if (isCurrent && model.state === 'closed') {
            model.calls.push({ atMs: clock.monotonicMs(), failed: true });
            const calls = inWindow();
            const failures = calls.filter(({ failed }) => failed).length;
            if (calls.length >= 10 && failures / calls.length >= 0.5) become('open');
          }
        } else {
          breaker.succeeded(ticket);
          if (isCurrent && model.state === 'closed')
            model.calls.push({ atMs: clock.monotonicMs(), failed: false });
          else if (isCurrent && model.state === 'half-open') {
            model.inFlight--;
            if (++model.succeeded >= 2) become('closed');
          }
        }
      } else clock.advanceMs(random() * 700);
      if (breaker.snapshot().state !== model.state) throw new Error(`step ${step}: ${state()}`);
    }
    expect(told.filter((line) => line === 'closed').length).toBeGreaterThan(3);
  },
);
