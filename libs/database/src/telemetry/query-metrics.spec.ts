// Counts, rates and durations by node and intent; bounded whatever happens.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { QueryRecord } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import { QueryMetrics } from './query-metrics.js';

const OK: QueryRecord = {
  instance: 'default',
  node: 'primary',
  intent: 'read',
  text: 'SELECT secret',
  pinned: false,
  durationMs: 3,
  waitMs: 1,
  serverMs: 2,
  attempts: 1,
  rowCount: 4,
  outcome: 'ok',
  errorCode: undefined,
  sqlState: undefined,
  endedAtMs: 1_700_000_000_000,
};

describe('QueryMetrics', () => {
  let clock: FakeClock;
  let events: Events;
  let metrics: QueryMetrics;
  const done = (change: Partial<QueryRecord> = {}): void =>
    events.emit('query:done', { ...OK, ...change });

  beforeEach(() => {
    clock = new FakeClock();
    events = new Events();
    metrics = new QueryMetrics(events, clock, 60_000);
    metrics.start();
  });

  it('counts queries, rows, errors, repeats and outcomes', () => {
    done();
    done({ attempts: 3 });
    done({ outcome: 'error', errorCode: 'DB_QUERY', sqlState: '42P01', rowCount: 0 });
    done({ outcome: 'timeout', errorCode: 'DB_QUERY_TIMEOUT', rowCount: 0 });
    expect(metrics.figures()).toMatchObject({
      queries: 4,
      rows: 8,
      errors: 2,
      repeats: 2,
      outcomes: { ok: 2, error: 1, timeout: 1, aborted: 0, refused: 0 },
      errorKinds: [
        { code: 'DB_QUERY', sqlState: '42P01', count: 1 },
        { code: 'DB_QUERY_TIMEOUT', sqlState: undefined, count: 1 },
      ],
    });
  });

  it('keeps nodes and intents apart, and adds them up', () => {
    done({ durationMs: 10 });
    done({ node: 'replica-1', durationMs: 20 });
    done({ intent: 'write', durationMs: 30 });
    const { series, duration } = metrics.figures();
    expect(series.map(({ node, intent, queries }) => [node, intent, queries])).toEqual([
      ['primary', 'read', 1],
      ['primary', 'write', 1],
      ['replica-1', 'read', 1],
    ]);
    expect(series[2]?.duration?.maxMs).toBe(20);
    expect(duration).toMatchObject({ count: 3, maxMs: 30, meanMs: 20 });
  });

  it('measures the queue and the server apart from the whole', () => {
    done({ durationMs: 30, waitMs: 10, serverMs: 15 });
    const { duration, wait, server } = metrics.figures();
    expect([duration?.maxMs, wait?.maxMs, server?.maxMs]).toEqual([30, 10, 15]);
  });

  it('forgets durations after the window, never counts', () => {
    done();
    clock.advanceMs(61_000);
    const figures = metrics.figures();
    expect(figures.queries).toBe(1);
    expect(figures.duration).toBeUndefined();
    expect(figures.series[0]?.duration).toBeUndefined();
  });

  it('gives rates over three windows', () => {
    for (let second = 0; second < 60; second++) {
      done();
      done({ outcome: 'error', errorCode: 'DB_QUERY' });
      clock.advanceMs(1_000);
    }
    const { queriesPerSecond, errorsPerSecond } = metrics.figures();
    expect(queriesPerSecond.last10s).toBeCloseTo(2, 0);
    expect(queriesPerSecond.last1m).toBeCloseTo(2, 0);
    expect(errorsPerSecond.last5m).toBeCloseTo(1, 0);
  });

  it('remembers the last error without its text', () => {
    done({ outcome: 'error', errorCode: 'DB_QUERY', sqlState: '42P01', endedAtMs: 5 });
    done();
    expect(metrics.figures().lastError).toEqual({
      code: 'DB_QUERY',
      sqlState: '42P01',
      node: 'primary',
      atMs: 5,
    });
    expect(JSON.stringify(metrics.figures())).not.toContain('secret');
  });

  it('counts a refusal before any node under "none"', () => {
    done({ node: undefined, outcome: 'refused', errorCode: 'DB_CONNECTION' });
    expect(metrics.figures().series[0]).toMatchObject({ node: 'none', errors: 1 });
  });

  it('leaves queries on a held connection out of the waits', () => {
    done({ pinned: true });
    done({ waitMs: 700 });
    const [waits] = metrics.buckets().waits;
    expect(waits?.buckets.counts.at(-1)).toBe(1);
    expect(waits?.buckets.sum).toBeCloseTo(0.7);
  });

  it('keeps its bounds with a thousand nodes and a thousand kinds of errors', () => {
    for (let i = 0; i < 1_000; i++) {
      done({ node: `node-${i}`, outcome: 'error', errorCode: 'DB_QUERY', sqlState: `X${i}` });
    }
    const { series, errorKinds, queries } = metrics.figures();
    expect(series).toHaveLength(32);
    expect(series.at(-1)).toMatchObject({ node: 'other', queries: 969 });
    expect(errorKinds).toHaveLength(100);
    expect(errorKinds.at(-1)).toEqual({ code: 'other', sqlState: undefined, count: 901 });
    expect(queries).toBe(1_000);
  });

  it('hears nothing before start and after stop, and says so', () => {
    metrics.start();
    metrics.stop();
    done();
    expect(metrics.isListening).toBe(false);
    expect(metrics.figures().queries).toBe(0);
    expect(events.has('query:done')).toBe(false);
  });
});
