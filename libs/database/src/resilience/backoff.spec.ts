// The number of an attempt becomes the wait before it.
import { describe, expect, it } from '@jest/globals';
import { backoffMs } from './backoff.js';
import { RETRY_DEFAULTS } from './resilience.options.js';

const exact = { initialDelayMs: 100, factor: 2, maxDelayMs: 2_000, jitter: 0 };

describe('backoffMs', () => {
  it.each([
    [0, 100],
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1_600],
    [6, 2_000],
    [50, 2_000],
    [5_000, 2_000],
  ])('after %i failures is %i ms', (failures, ms) => {
    expect(backoffMs(exact, failures)).toBe(ms);
  });

  it.each([
    ['a factor of 1', { ...exact, factor: 1 }, 9, 100],
    ['a factor of 10', { ...exact, factor: 10 }, 2, 1_000],
    ['no first delay', { ...exact, initialDelayMs: 0 }, 9, 0],
    ['a first delay beyond the longest', { ...exact, initialDelayMs: 9_000 }, 1, 2_000],
    ['no wait at all', { ...exact, maxDelayMs: 0 }, 3, 0],
  ])('with %s', (_, backoff, failures, ms) => {
    expect(backoffMs(backoff, failures)).toBe(ms);
  });

  it.each([
    [0, 0.5, 400],
    [0.25, 0, 300],
    [0.25, 1, 400],
    [0.5, 0, 200],
    [0.5, 0.5, 300],
    [0.5, 1, 400],
    [1, 0, 0],
    [1, 1, 400],
  ])('draws the share %d at random: %d makes it %d ms', (jitter, drawn, ms) => {
    expect(backoffMs({ ...exact, jitter }, 3, () => drawn)).toBe(ms);
  });

  it('never leaves its bounds, and hardly ever meets itself', () => {
    const waits = Array.from({ length: 1_000 }, (_, i) => backoffMs(RETRY_DEFAULTS, 1 + (i % 12)));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2_000);
    expect(new Set(waits).size).toBeGreaterThan(990);
  });
});
