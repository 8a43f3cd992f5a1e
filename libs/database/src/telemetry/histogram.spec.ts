// Quantiles against sorted values, buckets against their bounds.
import { describe, expect, it } from '@jest/globals';
import { BucketCounts, DURATION_BOUNDS, Histogram } from './histogram.js';

/** Deterministic pseudo-random numbers in [0, 1). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

describe('Histogram', () => {
  it.each([
    ['point reads around 1 ms', (r: number) => 0.2 + r],
    ['a long tail from 10 us to 20 s', (r: number) => Math.exp(r * 14.5) / 100],
    ['constant', () => 12.345],
  ])('gives quantiles within 1.6 %% of the sorted values: %s', (_name, valueOf) => {
    const histogram = new Histogram();
    const random = randoms(7);
    const values = Array.from({ length: 20_000 }, () => valueOf(random()));
    for (const value of values) histogram.record(value);
    const sorted = values.sort((a, b) => a - b);
    const figures = histogram.figures()!;
    const exact = (ratio: number): number => sorted[Math.ceil(ratio * sorted.length) - 1]!;
    // 0.5 us more for what lies below the first octave.
    const near = (found: number, truth: number): void =>
      expect(Math.abs(found - truth)).toBeLessThanOrEqual(truth * 0.016 + 0.0005);
    near(figures.p50Ms, exact(0.5));
    near(figures.p95Ms, exact(0.95));
    near(figures.p99Ms, exact(0.99));
    expect(figures.maxMs).toBe(sorted.at(-1));
    expect(figures.meanMs).toBeCloseTo(values.reduce((a, b) => a + b) / values.length, 6);
    expect(figures.count).toBe(20_000);
  });

  it('has no figures before the first record, and none after a reset', () => {
    const histogram = new Histogram();
    expect(histogram.figures()).toBeUndefined();
    histogram.record(5);
    histogram.reset();
    expect(histogram.figures()).toBeUndefined();
  });

  it.each([
    ['zero', 0, 0],
    ['negative', -3, 0],
    ['not a number', Number.NaN, 0],
    ['longer than 71 minutes', 10_000_000, 10_000_000],
  ])('takes a value that is %s', (_name, value, max) => {
    const histogram = new Histogram();
    histogram.record(value);
    expect(histogram.figures()).toMatchObject({ count: 1, maxMs: max });
  });

  it('adds another one as if it had recorded its values itself', () => {
    const whole = new Histogram();
    const parts = [new Histogram(), new Histogram()] as const;
    const random = randoms(3);
    for (let i = 0; i < 2_000; i++) {
      // Sixteenths, so that the sums agree to the last bit.
      const value = Math.floor(random() * 1_000) / 16;
      whole.record(value);
      parts[i % 2 === 0 ? 0 : 1].record(value);
    }
    parts[0].add(parts[1]);
    expect(parts[0].figures()).toEqual(whole.figures());
  });
});

describe('BucketCounts', () => {
  it('counts a value at a bound in the bucket that ends there', () => {
    const counts = new BucketCounts(DURATION_BOUNDS);
    for (const bound of DURATION_BOUNDS) counts.record(bound);
    counts.record(10.000_001);
    expect(counts.figures().counts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('sums what it was given', () => {
    const counts = new BucketCounts([1, 2]);
    for (const value of [0.5, 1.5, 100]) counts.record(value);
    expect(counts.figures()).toEqual({ bounds: [1, 2], counts: [1, 2, 3], sum: 102 });
  });
});
