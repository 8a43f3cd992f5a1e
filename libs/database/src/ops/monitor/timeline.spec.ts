// The past: what is kept, how it is put together, and that it never grows.
import { describe, expect, it } from '@jest/globals';
import { Histogram } from '../../telemetry/histogram.js';
import { METRIC_NAMES } from './metrics.js';
import { Ring } from './ring.js';
import { Interval } from './sample.js';
import type { Sample } from './sample.js';
import { Timeline } from './timeline.js';

const histogramOf = (...values: number[]): Histogram => {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
};

const sample = (change: Partial<Sample> = {}): Sample => ({
  elapsedMs: 1_000,
  queries: 0,
  errors: 0,
  durations: histogramOf(),
  waits: histogramOf(),
  gauges: {},
  ...change,
});

describe('Interval', () => {
  const valuesOf = (samples: readonly Sample[]): Record<string, number> => {
    const interval = new Interval();
    for (const one of samples) interval.add(one);
    const values = interval.take();
    return Object.fromEntries(METRIC_NAMES.map((name, index) => [name, values[index]!]));
  };

  it('divides counts by the time that really passed', () => {
    const values = valuesOf([
      sample({ elapsedMs: 900, queries: 90, errors: 9 }),
      sample({ elapsedMs: 1_100, queries: 0 }),
    ]);
    expect(values).toMatchObject({ queriesPerSecond: 45, errorsPerSecond: 4.5 });
  });

  it('takes quantiles of all durations, not means of quantiles', () => {
    const quick = sample({ durations: histogramOf(...Array<number>(98).fill(1)) });
    const slow = sample({ durations: histogramOf(100, 100) });
    const { p95Ms, p99Ms, maxMs, meanMs } = valuesOf([quick, slow]);
    expect(p95Ms).toBeCloseTo(1, 1);
    expect(p99Ms).toBeGreaterThan(98);
    expect(maxMs).toBe(100);
    expect(meanMs).toBeCloseTo(2.98);
  });

  it('takes the mean over time of what is in use and the peak of what waits', () => {
    const values = valuesOf([
      sample({ elapsedMs: 3_000, gauges: { leased: 4, waiting: 0, utilizationRatio: 0.2 } }),
      sample({ elapsedMs: 1_000, gauges: { leased: 20, waiting: 7, utilizationRatio: 1 } }),
    ]);
    expect(values).toMatchObject({ leased: 8, waiting: 7, utilizationRatio: 1 });
  });

  it('has no value for what was not measured', () => {
    const values = valuesOf([sample({ queries: 0 })]);
    expect(values['queriesPerSecond']).toBe(0);
    for (const name of ['p95Ms', 'waitP95Ms', 'eventLoopLagMs']) expect(values[name]).toBeNaN();
  });

  it('starts anew after it was taken', () => {
    const interval = new Interval();
    interval.add(sample({ queries: 5, durations: histogramOf(1), gauges: { leased: 1 } }));
    interval.take();
    expect(interval.elapsedMs).toBe(0);
    expect(interval.take().every(Number.isNaN)).toBe(true);
  });
});

describe('Ring', () => {
  it('replaces the oldest row by the newest', () => {
    const ring = new Ring(3, 1);
    for (let i = 1; i <= 5; i++) ring.push(i * 10, [i]);
    expect(ring.column(0, 0, 100)).toEqual([
      [30, 3],
      [40, 4],
      [50, 5],
    ]);
    expect(ring.column(0, 40, 40)).toEqual([[40, 4]]);
    expect(ring.length).toBe(3);
  });

  it('knows how far it reaches back', () => {
    const ring = new Ring(2, 1);
    expect(ring.reachesBackTo(0)).toBe(true);
    for (const atMs of [10, 20, 30]) ring.push(atMs, [0]);
    expect(ring.reachesBackTo(19)).toBe(false);
    expect(ring.reachesBackTo(20)).toBe(true);
  });
});

describe('Timeline', () => {
  /** Seconds with `second` queries each, from time 0. */
  const afterSeconds = (count: number): Timeline => {
    const timeline = new Timeline();
    for (let second = 1; second <= count; second++) {
      timeline.record(sample({ queries: second }), second * 1_000);
    }
    return timeline;
  };

  it('tells seconds while they last', () => {
    const { stepMs, points } = afterSeconds(600).read('queriesPerSecond', 0, 600_000);
    expect(stepMs).toBe(1_000);
    expect(points).toHaveLength(600);
    expect(points[0]).toEqual({ atMs: 1_000, value: 1 });
  });

  it('tells minutes from where seconds are gone', () => {
    const timeline = afterSeconds(1_200);
    expect(timeline.read('queriesPerSecond', 700_000, 1_200_000).stepMs).toBe(1_000);
    const { stepMs, points } = timeline.read('queriesPerSecond', 0, 1_200_000);
    expect(stepMs).toBe(60_000);
    expect(points).toHaveLength(20);
    expect(points[0]).toEqual({ atMs: 60_000, value: 30.5 });
  });

  it('tells hours from where minutes are gone, and takes no more memory than on its first day', () => {
    const timeline = new Timeline();
    const { bytes } = timeline;
    for (let minute = 1; minute <= 60 * 24 * 40; minute++) {
      timeline.record(sample({ elapsedMs: 60_000, queries: 60 }), minute * 60_000);
    }
    const endMs = 60 * 24 * 40 * 60_000;
    const { stepMs, points } = timeline.read('queriesPerSecond', 0, endMs);
    expect(stepMs).toBe(3_600_000);
    expect(points).toHaveLength(720);
    expect(points.at(-1)).toEqual({ atMs: endMs, value: 1 });
    expect(timeline.bytes).toBe(bytes);
    expect(bytes).toBeLessThan(400_000);
  });

  it('tells null where nothing was measured', () => {
    expect(afterSeconds(1).read('p95Ms', 0, 9_999).points).toEqual([{ atMs: 1_000, value: null }]);
  });
});
