// How much of the reads may fall back on the primary in a second.
import { expect, it } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.js';
import { FallbackBudget } from './fallback-budget.js';

/** Reads that are let through of `count`, all of which need the primary. */
function through(budget: FallbackBudget, count: number): number {
  let passed = 0;
  for (let i = 0; i < count; i++) {
    budget.counted();
    if (budget.take()) passed++;
  }
  return passed;
}

it.each([
  [1, 1_000, 1_000],
  [0.5, 1_000, 500],
  [0.1, 1_000, 100],
  [0.1, 20, 10],
  [0, 1_000, 10],
])('a share of %d lets %d reads of a second through as %d', (ratio, reads, expected) => {
  const passed = through(new FallbackBudget(ratio, new FakeClock()), reads);
  expect(Math.abs(passed - expected)).toBeLessThanOrEqual(1);
});

it('begins anew each second, and says when', () => {
  const clock = new FakeClock();
  const budget = new FallbackBudget(0, clock);
  clock.advanceMs(5_000);
  expect(through(budget, 100)).toBe(10);
  clock.advanceMs(400);
  expect(budget.retryAfterMs).toBe(600);
  expect(through(budget, 100)).toBe(0);
  clock.advanceMs(600);
  expect(through(budget, 100)).toBe(10);
});

it('is not moved by the wall clock', () => {
  const clock = new FakeClock();
  const budget = new FallbackBudget(0, clock);
  expect(through(budget, 100)).toBe(10);
  clock.setWall(-3_600_000);
  expect(through(budget, 100)).toBe(0);
});
