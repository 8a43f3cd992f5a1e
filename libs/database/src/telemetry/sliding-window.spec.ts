// What happened lately is remembered, and what happened before is not.
import { describe, expect, it } from '@jest/globals';
import { Histogram } from './histogram.js';
import { SlidingCounter, SlidingHistogram } from './sliding-window.js';

describe('SlidingHistogram', () => {
  const countAt = (sliding: SlidingHistogram, nowMs: number): number => {
    const sum = new Histogram();
    sliding.addTo(sum, nowMs);
    return sum.count;
  };

  it('forgets what is older than its window', () => {
    const sliding = new SlidingHistogram(60_000);
    sliding.record(1, 5_000);
    sliding.record(1, 30_000);
    expect(countAt(sliding, 59_999)).toBe(2);
    expect(countAt(sliding, 65_000)).toBe(1);
    expect(countAt(sliding, 95_000)).toBe(0);
  });

  it('is empty after a pause of many windows', () => {
    const sliding = new SlidingHistogram(60_000);
    sliding.record(1, 0);
    expect(countAt(sliding, 10_000_000)).toBe(0);
    sliding.record(1, 10_000_001);
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
