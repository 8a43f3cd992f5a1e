// When a queue counts as overloaded: what stays slow does, a burst does not.
import { describe, expect, it } from '@jest/globals';
import { QueueDelay } from './queue-delay.js';

const TARGET_MS = 100;
const INTERVAL_MS = 1_000;
/** As often as connections come back. */
const STEP_MS = 50;

function served(): QueueDelay {
  const delay = new QueueDelay({ queueTargetMs: TARGET_MS, queueIntervalMs: INTERVAL_MS });
  delay.restart(0);
  return delay;
}

/** Looks every 50 ms from `fromMs` to `untilMs`, with an oldest waiter who has always waited `waitedMs`. */
function watch(delay: QueueDelay, fromMs: number, untilMs: number, waitedMs: number): void {
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += STEP_MS) delay.look(nowMs - waitedMs, nowMs);
}

describe('QueueDelay', () => {
  it('is overloaded once the wait was above the target for an interval, not before', () => {
    const delay = served();
    watch(delay, 200, 1_150, 150);
    expect(delay.isOverloaded).toBe(false);
    watch(delay, 1_200, 1_200, 150);
    expect(delay.isOverloaded).toBe(true);
  });

  it('begins anew with each waiter who was served in time', () => {
    const delay = served();
    for (let round = 0; round < 20; round++) {
      const startMs = 200 + round * 1_000;
      watch(delay, startMs, startMs + 900, 150);
      delay.look(startMs + 950 - TARGET_MS, startMs + 950);
    }
    expect(delay.isOverloaded).toBe(false);
  });

  it('never is for a burst that is served within the interval', () => {
    const delay = served();
    for (let nowMs = 200; nowMs <= 200 + INTERVAL_MS; nowMs += STEP_MS) delay.look(200, nowMs);
    expect(delay.isOverloaded).toBe(false);
  });

  it('sheds those above the target only, and only while it is overloaded', () => {
    const delay = served();
    expect(delay.sheds(0, 5_000, 1)).toBe(false);
    watch(delay, 200, 1_200, 150);
    expect(delay.sheds(1_200 - 101, 1_200, 1)).toBe(true);
    expect(delay.sheds(1_200 - 100, 1_200, 1)).toBe(false);
    expect(delay.sheds(1_200 - 51, 1_200, 0.5)).toBe(true);
  });

  it('is over at once when nobody waits', () => {
    const delay = served();
    watch(delay, 200, 1_200, 150);
    delay.look(undefined, 1_210);
    expect(delay.isOverloaded).toBe(false);
  });

  it('is over when nobody had to be shed for an interval, even if somebody always waits', () => {
    const delay = served();
    watch(delay, 200, 1_200, 150);
    watch(delay, 1_250, 2_150, 20);
    expect(delay.isOverloaded).toBe(true);
    watch(delay, 2_200, 2_200, 20);
    expect(delay.isOverloaded).toBe(false);
  });

  it('does not count the time in which nobody could be served', () => {
    const delay = served();
    delay.restart(Number.POSITIVE_INFINITY);
    for (let nowMs = 200; nowMs < 5_000; nowMs += STEP_MS) delay.look(100, nowMs);
    expect(delay.isOverloaded).toBe(false);
    delay.restart(5_000);
    for (let nowMs = 5_000; nowMs < 6_100; nowMs += STEP_MS) delay.look(100, nowMs);
    expect(delay.isOverloaded).toBe(false);
    watch(delay, 6_100, 6_150, 1_200);
    expect(delay.isOverloaded).toBe(true);
  });

  it('takes a process that stood still for no slow queue', () => {
    const delay = served();
    watch(delay, 200, 300, 150);
    delay.look(150, 60_000);
    expect(delay.isOverloaded).toBe(false);
  });

  it('never is when it is turned off', () => {
    const delay = new QueueDelay({ queueTargetMs: 0, queueIntervalMs: 1 });
    delay.restart(0);
    watch(delay, 10_000, 20_000, 10_000);
    expect(delay.isOverloaded).toBe(false);
  });
});
