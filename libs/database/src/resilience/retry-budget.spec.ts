// Repetitions are bounded by success.
import { describe, expect, it } from '@jest/globals';
import { RetryBudget } from './retry-budget.js';

const taken = (budget: RetryBudget, tries: number): number =>
  Array.from({ length: tries }, () => budget.take()).filter(Boolean).length;

describe('RetryBudget', () => {
  it('has 20 repetitions in hand, and no more without a success', () => {
    const budget = new RetryBudget(0.2);
    expect(taken(budget, 1_000)).toBe(20);
    expect(taken(budget, 1_000)).toBe(0);
  });

  it.each([
    [0.2, 1_000, 200],
    [0.1, 1_000, 100],
    [1, 50, 50],
    [0, 1_000, 0],
  ])('of %d gives each success its share', (ratio, successes, repetitions) => {
    const budget = new RetryBudget(ratio);
    taken(budget, 20);
    let count = 0;
    for (let i = 0; i < successes; i++) {
      budget.succeeded();
      count += taken(budget, 5);
    }
    // Sums of 0.1 are not exact.
    expect(Math.abs(count - repetitions)).toBeLessThanOrEqual(1);
  });

  it('saves up no more than it had at the start', () => {
    const budget = new RetryBudget(1);
    for (let i = 0; i < 10_000; i++) budget.succeeded();
    expect(taken(budget, 1_000)).toBe(20);
  });

  it('keeps an outage from multiplying its load', () => {
    const budget = new RetryBudget(0.2);
    let calls = 0;
    for (let i = 0; i < 10_000; i++) calls += 1 + taken(budget, 2);
    expect(calls).toBeLessThanOrEqual(10_000 + 20);
  });
});
