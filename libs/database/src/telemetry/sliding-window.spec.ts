// What happened lately is remembered, and what happened before is not.
import { describe, expect, it } from '@jest/globals';
import { Histogram } from './histogram.js';
import { SlidingCounter, SlidingWindow } from './sliding-window.js';

describe('SlidingWindow', () => {
  const slidingOver = (windowMs: number): SlidingWindow<Histogram> =>
    new SlidingWindow(windowMs, () => new Histogram());
  const countAt = (sliding: SlidingWindow<Histogram>, nowMs: number): number =>
    sliding.within(nowMs).reduce((sum, { count }) => sum + count, 0);

  it('forgets what is older than its window', () => {
    const sliding = slidingOver(60_000);
    sliding.at(5_000).record(1);
    sliding.at(30_000).record(1);
    expect(countAt(sliding, 59_999)).toBe(2);
    expect(countAt(sliding, 65_000)).toBe(1);
    expect(countAt(sliding, 95_000)).toBe(0);
  });

  it('is empty after a pause of many windows', () => {
    const sliding = slidingOver(60_000);
    sliding.at(0).record(1);
    expect(countAt(sliding, 10_000_000)).toBe(0);
    sliding.at(10_000_001).record(1);
    expect(countAt(sliding, 10_000_002)).toBe(1);
  });
});

describe('SlidingCounter', () => {
  it('gives the rate of a steady stream for each window', () => {
    const counter = new SlidingCounter(0);
    for (let atMs = 0; atMs < 400_000; atMs += 100) counter.add(atMs);
    for (const windowMs of [10_000, 60_000, 300_000]) {
      expect(counter.perSecond(windowMs, 400_000)).toBeCloseTo(10, 0);
    }
  });

  it('counts from the start while the window is not full', () => {
    const counter = new SlidingCounter(1_000_000);
    for (let i = 0; i < 50; i++) counter.add(1_000_000 + i * 100);
    expect(counter.perSecond(60_000, 1_005_000)).toBeCloseTo(10, 5);
  });

  it('shows a burst in the short window only as long as it lasts', () => {
    const counter = new SlidingCounter(0);
    for (let i = 0; i < 1_000; i++) counter.add(300_000);
    expect(counter.perSecond(10_000, 301_000)).toBeGreaterThan(90);
    expect(counter.perSecond(10_000, 320_000)).toBe(0);
    expect(counter.perSecond(300_000, 320_000)).toBeCloseTo(1_000 / 300, 1);
  });

  it('takes no first query for a thousand a second', () => {
    const counter = new SlidingCounter(0);
    counter.add(1);
    expect(counter.perSecond(10_000, 1)).toBe(1);
  });
});
