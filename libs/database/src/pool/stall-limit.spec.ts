import { expect, it } from '@jest/globals';
import { StallLimit } from './stall-limit.js';

it('is the longest one while nothing is known', () => {
  expect(new StallLimit().ms).toBe(3);
});

it('is short where all are fast, and never below what timers can tell', () => {
  const limit = new StallLimit();
  for (let n = 0; n < 100; n++) limit.took(0.05);
  expect(limit.ms).toBe(0.75);
});

it('is four times the slowest one of late', () => {
  const limit = new StallLimit();
  for (let n = 0; n < 300; n++) limit.took(n % 10 === 0 ? 0.5 : 0.01);
  expect(limit.ms).toBeGreaterThan(4 * 0.4);
  expect(limit.ms).toBeLessThanOrEqual(4 * 0.5);
});

it('is never longer than 3 ms, and forgets a slow one', () => {
  const limit = new StallLimit();
  limit.took(200);
  expect(limit.ms).toBe(3);
  for (let n = 0; n < 400; n++) limit.took(0.01);
  expect(limit.ms).toBe(0.75);
});
