// Deadlines on one timer: never early, at most a turn late, each exactly once.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.js';
import { TimerWheel, WheelEntry } from './timer-wheel.js';

/** One turn of the wheel, in ms; a whole rotation is 512 of them. */
const TURN_MS = 5;
const ROTATION_MS = 512 * TURN_MS;

class Entry extends WheelEntry {
  readonly calls: number[] = [];

  constructor(
    private readonly clock: FakeClock,
    private readonly whenDue: (entry: Entry) => void = () => undefined,
  ) {
    super();
  }

  override due(): void {
    this.calls.push(this.clock.monotonicMs());
    this.whenDue(this);
  }
}

/** Deterministic pseudo-random numbers in [0, 1). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
}

let clock: FakeClock;
let wheel: TimerWheel;

beforeEach(() => {
  clock = new FakeClock();
  wheel = new TimerWheel(clock);
});

const armed = (atMs: number, whenDue?: (entry: Entry) => void): Entry => {
  const entry = new Entry(clock, whenDue);
  wheel.arm(entry, atMs);
  return entry;
};

describe('an entry', () => {
  it.each([
    ['now', 0],
    ['in the past', -1_000],
    ['within the first turn', 3],
    ['at a turn', 5 * TURN_MS],
    ['between two turns', 123.4],
    ['at the end of a rotation', ROTATION_MS - 1],
    ['after exactly one rotation', ROTATION_MS],
    ['beyond one rotation', ROTATION_MS + 7],
    ['in five minutes', 300_000],
  ])('due %s is called once, not early and at most one turn late', (_, afterMs) => {
    clock.advanceMs(1_234);
    const atMs = clock.monotonicMs() + afterMs;
    const entry = armed(atMs);
    clock.advanceMs(Math.max(0, afterMs) + 3 * ROTATION_MS);
    expect(entry.calls).toHaveLength(1);
    expect(entry.calls[0]).toBeGreaterThanOrEqual(atMs);
    expect(entry.calls[0]).toBeLessThanOrEqual(Math.max(atMs, 1_234) + 2 * TURN_MS);
    expect(wheel.size).toBe(0);
  });

  it('is not called in the call that arms it', () => {
    const entry = armed(-10);
    expect(entry.calls).toEqual([]);
  });

  it('is called at its last deadline only, when it is moved', () => {
    const entry = armed(100);
    wheel.arm(entry, 50);
    wheel.arm(entry, 300);
    expect(wheel.size).toBe(1);
    clock.advanceMs(299);
    expect(entry.calls).toEqual([]);
    clock.advanceMs(10);
    expect(entry.calls).toHaveLength(1);
  });

  it('is not called once it is disarmed, however often', () => {
    const entry = armed(100);
    wheel.disarm(entry);
    wheel.disarm(entry);
    expect(wheel.size).toBe(0);
    clock.advanceMs(1_000);
    expect(entry.calls).toEqual([]);
  });

  it('can be used again after its call', () => {
    const entry = armed(10);
    clock.advanceMs(20);
    wheel.arm(entry, 40);
    clock.advanceMs(30);
    expect(entry.calls).toHaveLength(2);
  });
});

describe('a turn of the wheel', () => {
  it('does not call an entry that an earlier one of the same turn disarms', () => {
    const entries: Entry[] = [];
    const disarmAll = (): void => entries.forEach((entry) => wheel.disarm(entry));
    for (let i = 0; i < 3; i++) entries.push(armed(10, disarmAll));
    clock.advanceMs(20);
    expect(entries.map(({ calls }) => calls.length).toSorted()).toEqual([0, 0, 1]);
    expect(wheel.size).toBe(0);
  });

  it('does not call an entry that an earlier one of the same turn moves', () => {
    const entries: Entry[] = [];
    const moveOthers = (caller: Entry): void => {
      for (const entry of entries)
        if (entry !== caller && entry.calls.length === 0) wheel.arm(entry, 500);
    };
    for (let i = 0; i < 3; i++) entries.push(armed(10, moveOthers));
    clock.advanceMs(20);
    expect(entries.flatMap(({ calls }) => calls)).toEqual([10]);
    clock.advanceMs(1_000);
    expect(entries.map(({ calls }) => calls.length)).toEqual([1, 1, 1]);
  });

  it('takes an entry that arms itself again, without an end and without a second timer', () => {
    const entry = armed(10, (again) => wheel.arm(again, clock.monotonicMs() + 10));
    clock.advanceMs(1_000);
    expect(entry.calls.length).toBeGreaterThan(60);
    expect(entry.calls.length).toBeLessThanOrEqual(100);
    expect(clock.pendingTimers).toBe(1);
    wheel.disarm(entry);
  });

  it('calls an entry that is armed for now inside of it in the next one', () => {
    const inner: Entry[] = [];
    armed(10, () => inner.push(armed(clock.monotonicMs())));
    clock.advanceMs(20);
    expect(inner[0]?.calls).toEqual([15]);
  });
});

describe('the timer', () => {
  it('runs only while something is armed', () => {
    expect(clock.pendingTimers).toBe(0);
    const entry = armed(50);
    armed(70);
    expect(clock.pendingTimers).toBe(1);
    wheel.disarm(entry);
    clock.advanceMs(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps the process while a caller waits', () => {
    const kept: unknown[] = [];
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (run: () => void, delayMs: number, options?: unknown) => {
      kept.push(options);
      return schedule(run, delayMs);
    };
    armed(12);
    clock.advanceMs(20);
    expect(kept.length).toBeGreaterThan(1);
    expect(kept.every((options) => (options as { keepsProcess: boolean }).keepsProcess)).toBe(true);
  });

  it('finds everything that fell due while the event loop stood still', () => {
    /** A clock whose timers come late by what the test says. */
    class StallingClock extends FakeClock {
      stalledMs = 0;
      override monotonicMs(): number {
        return super.monotonicMs() + this.stalledMs;
      }
    }
    const stalling = new StallingClock();
    const stalled = new TimerWheel(stalling);
    const entries = [1, 100, ROTATION_MS, 3 * ROTATION_MS, 100 * ROTATION_MS].map((atMs) => {
      const entry = new Entry(stalling);
      stalled.arm(entry, atMs);
      return entry;
    });
    stalling.stalledMs = 10 * ROTATION_MS;
    // One turn in which sockets are read, and then all at once.
    stalling.advanceMs(2 * TURN_MS);
    expect(entries.map(({ calls }) => calls.length)).toEqual([1, 1, 1, 1, 0]);
    stalling.advanceMs(91 * ROTATION_MS);
    expect(stalled.size).toBe(0);
  });
});

it.each([1, 2, 3])('10,000 entries that come, move and go each end once (seed %i)', (seed) => {
  const random = randoms(seed);
  const waiting = new Map<Entry, number>();
  let disarmed = 0;
  const wrong: string[] = [];
  const ends = (entry: Entry): void => {
    const atMs = waiting.get(entry);
    const lateMs = clock.monotonicMs() - (atMs ?? Number.NaN);
    if (!(lateMs >= 0 && lateMs <= TURN_MS)) wrong.push(`due at ${atMs}, called ${lateMs} ms late`);
    waiting.delete(entry);
  };
  const someDeadline = (): number =>
    clock.monotonicMs() + random() ** 3 * (random() < 0.1 ? 20 * ROTATION_MS : ROTATION_MS);
  let made = 0;
  while (made < 10_000) {
    for (let n = 0; n < 50; n++, made++) {
      const atMs = someDeadline();
      waiting.set(armed(atMs, ends), atMs);
    }
    for (const entry of waiting.keys()) {
      const dice = random();
      if (dice < 0.02) {
        wheel.disarm(entry);
        waiting.delete(entry);
        disarmed++;
      } else if (dice < 0.04) {
        const atMs = someDeadline();
        waiting.set(entry, atMs);
        wheel.arm(entry, atMs);
      }
    }
    if (wheel.size !== waiting.size) wrong.push(`${wheel.size} armed, ${waiting.size} wait`);
    clock.advanceMs(random() * 40);
  }
  clock.advanceMs(30 * ROTATION_MS);
  expect(wrong).toEqual([]);
  expect(waiting.size).toBe(0);
  expect(disarmed).toBeGreaterThan(100);
  expect(clock.pendingTimers).toBe(0);
});

describe('after the event loop was blocked', () => {
  it('sockets are read before anything is declared overdue', () => {
    const answered = armed(100);
    const silent = armed(100);
    clock.blockMs(400);
    // The turn that the wheel gives: the answer that lay unread arrives in it.
    clock.advanceMs(0);
    expect([answered.calls, silent.calls]).toEqual([[], []]);
    wheel.disarm(answered);
    clock.advanceMs(2 * TURN_MS);
    expect(answered.calls).toEqual([]);
    expect(silent.calls).toEqual([400 + TURN_MS]);
  });

  it('again and again, each deadline still comes, one turn later at most', () => {
    const entry = armed(100);
    for (let i = 0; i < 3; i++) {
      clock.blockMs(300);
      clock.advanceMs(0);
    }
    expect(entry.calls).toEqual([600]);
  });
});
