import { describe, expect, it } from '@jest/globals';
import { median, quantile, rounded, summarizeAll } from './statistics.js';
import type { Memory, Sample, Series } from './statistics.js';

const sample = (opsPerS: number, more: Partial<Sample> = {}): Sample => ({
  ...{ opsPerS, p50Ms: 1, p99Ms: 2, cpuUs: 3 },
  ...more,
});
const memory: Memory = { heapUsedMb: 4, rssMb: 5 };
const series = (name: string, ...opsPerS: number[]): Series => ({
  name,
  samples: opsPerS.map((ops) => sample(ops)),
});

describe('a median', () => {
  it.each([
    [[7], 7],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d', (figures, expected) => {
    expect(median(figures)).toBe(expected);
  });

  it('does not sort what it was given', () => {
    const figures = [3, 1, 2];
    median(figures);
    expect(figures).toEqual([3, 1, 2]);
  });

  it('needs a figure', () => {
    expect(() => median([])).toThrow('No figures');
  });
});

describe('a quantile', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

  it.each([
    [0, 1],
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ])('%d of 1 to 100 is %d', (share, expected) => {
    expect(quantile(hundred, share)).toBe(expected);
  });

  it('of one figure is that figure', () => {
    expect(quantile([5], 0.99)).toBe(5);
  });

  it('needs a figure', () => {
    expect(() => quantile([], 0.5)).toThrow('No figures');
  });
});

it.each([
  [12_345.6, 12_346],
  [100.4, 100],
  [99.96, 100],
  [1.2345, 1.23],
  [0.012345, 0.0123],
  [0, 0],
])('rounds %d to %d', (figure, expected) => {
  expect(rounded(figure)).toBe(expected);
});

describe('a summary', () => {
  it('takes ratios within each round, not of the medians', () => {
    // The machine was three times as slow in the second round: for both.
    const [, ours] = summarizeAll(
      [series('pg.Pool', 300, 100, 330), series('ours', 600, 250, 990)],
      'pg.Pool',
      memory,
    );
    expect(ours).toMatchObject({
      ...{ name: 'ours', opsPerS: 600, ratio: 2.5, ratioMin: 2, ratioMax: 3 },
      ...{ p50Ms: 1, p99Ms: 2, cpuUs: 3, heapUsedMb: 4, rssMb: 5 },
    });
  });

  it('gives the baseline the ratio 1', () => {
    const [base] = summarizeAll([series('pg.Pool', 7, 70)], 'pg.Pool', memory);
    expect(base).toMatchObject({ opsPerS: 38.5, ratio: 1, ratioMin: 1, ratioMax: 1 });
  });

  it('has no CPU of a process of its own', () => {
    const other = { name: 'other', samples: [sample(5, { cpuUs: null })] };
    expect(summarizeAll([series('pg.Pool', 5), other], 'pg.Pool', memory)[1]?.cpuUs).toBeNull();
  });

  it('takes the median of what only this workload counts', () => {
    const samples = [1, 9, 2].map((lost) => sample(1, { extra: { lost } }));
    expect(summarizeAll([{ name: 'pg.Pool', samples }], 'pg.Pool', memory)[0]?.extra).toEqual({
      lost: 2,
    });
  });

  it('does without no baseline, and without none of its rounds', () => {
    expect(() => summarizeAll([series('ours', 1)], 'pg.Pool', memory)).toThrow(
      'There is no pg.Pool',
    );
    const uneven = [series('pg.Pool', 1), series('ours', 1, 2)];
    expect(() => summarizeAll(uneven, 'pg.Pool', memory)).toThrow('pg.Pool has no round 2');
  });
});
