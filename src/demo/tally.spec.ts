import { describe, expect, it } from '@jest/globals';
import { isError, Tally } from './tally.js';

describe('Tally', () => {
  it('gives quantiles within 2 % of the exact ones', () => {
    const tally = new Tally();
    for (let ms = 1; ms <= 1_000; ms++) tally.add('200', ms);
    for (const quantile of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = quantile * 1_000;
      expect(tally.quantileMs(quantile) / exact).toBeGreaterThanOrEqual(1);
      expect(tally.quantileMs(quantile) / exact).toBeLessThan(1.021);
    }
    expect(tally.count).toBe(1_000);
    expect(tally.maxMs).toBe(1_000);
  });

  it('is all zero before the first request', () => {
    const tally = new Tally();
    expect([tally.quantileMs(0.99), tally.count, tally.errors]).toEqual([0, 0, 0]);
  });

  it('keeps what is beyond its last bucket', () => {
    const tally = new Tally();
    tally.add('TimeoutError', 1e9);
    tally.add('200', 0);
    expect(tally.count).toBe(2);
    expect(tally.quantileMs(1)).toBeGreaterThan(300_000);
  });

  it('counts by outcome', () => {
    const tally = new Tally();
    for (const outcome of ['422', '200', '503', '200', 'ECONNRESET']) tally.add(outcome, 1);
    expect(tally.byOutcome).toEqual([
      ['200', 2],
      ['422', 1],
      ['503', 1],
      ['ECONNRESET', 1],
    ]);
    expect(tally.errors).toBe(2);
  });
});

describe('isError', () => {
  it.each([
    ['200', false],
    ['201', false],
    ['404', false],
    ['422', false],
    ['429', true],
    ['500', true],
    ['503', true],
    ['ECONNREFUSED', true],
    ['TimeoutError', true],
  ])('%s: %s', (outcome, expected) => {
    expect(isError(outcome)).toBe(expected);
  });
});
