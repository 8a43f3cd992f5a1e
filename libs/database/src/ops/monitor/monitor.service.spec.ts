// What the monitor tells of an instance, now and in the past.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigurationError, UsageError } from '../../kernel/errors.js';
import type { QueryRecord } from '../../kernel/event-map.js';
import { Events } from '../../kernel/events.js';
import { Checks } from '../../kernel/option-checks.js';
import { EventLoopLag } from '../../telemetry/event-loop-lag.js';
import { QueryMetrics } from '../../telemetry/query-metrics.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { FakeDatabaseView, nodeSnapshot, poolStats } from '../../testing/fake-database-view.js';
import type { MonitorMetric } from './metrics.js';
import { MONITOR_DEFAULTS, resolveMonitor } from './monitor.options.js';
import type { MonitorOptions } from './monitor.options.js';
import { trendOf } from './monitor.rules.js';
import { DatabaseMonitorService } from './monitor.service.js';
import type { HealthSummary } from './monitor.types.js';

const QUERY: QueryRecord = {
  instance: 'default',
  node: 'primary',
  intent: 'read',
  text: 'SELECT 1',
  pinned: false,
  durationMs: 4,
  waitMs: 1,
  serverMs: 3,
  attempts: 1,
  rowCount: 1,
  outcome: 'ok',
  errorCode: undefined,
  sqlState: undefined,
  endedAtMs: 0,
};

describe('DatabaseMonitorService', () => {
  let clock: FakeClock;
  let events: Events;
  let view: FakeDatabaseView;
  let queries: QueryMetrics;
  let monitor: DatabaseMonitorService;
  const build = (
    options: MonitorOptions | false,
    health?: () => HealthSummary,
  ): DatabaseMonitorService =>
    new DatabaseMonitorService({
      instance: 'default',
      view,
      events,
      clock,
      options,
      queries,
      lag: new EventLoopLag(clock, 60_000),
      ...(health !== undefined && { health }),
    });
  const done = (change: Partial<QueryRecord> = {}): void =>
    events.emit('query:done', { ...QUERY, ...change });

  beforeEach(() => {
    clock = new FakeClock();
    events = new Events();
    view = new FakeDatabaseView();
    queries = new QueryMetrics(events, clock, 60_000);
    queries.start();
    monitor = build(MONITOR_DEFAULTS);
    monitor.start();
  });

  afterEach(async () => {
    await monitor.stop();
    queries.stop();
    expect(clock.pendingTimers).toBe(0);
    expect(events.has('query:done')).toBe(false);
  });

  it('tells counters, rates, durations, pools and the last error', async () => {
    await clock.elapseMs(2_000);
    done();
    done({ outcome: 'error', errorCode: 'DB_QUERY', sqlState: '42P01', endedAtMs: 77 });
    const snapshot = monitor.snapshot();
    expect(snapshot).toMatchObject({
      instance: 'default',
      uptimeMs: 2_000,
      availabilityRatio: 1,
      queries: { queries: 2, errors: 1, duration: { count: 2, p95Ms: expect.any(Number) } },
      pools: [{ node: 'primary', leased: 2 }],
      nodes: [{ role: 'primary' }],
      circuits: [{ state: 'closed' }],
      eventLoopLag: { maxMs: 0 },
    });
    expect(snapshot.queries?.lastError).toEqual({
      code: 'DB_QUERY',
      sqlState: '42P01',
      node: 'primary',
      atMs: 77,
    });
    expect(snapshot.process.residentBytes).toBeGreaterThan(1_000_000);
  });

  it('keeps a point a second, of that second alone', async () => {
    await clock.elapseMs(5_000);
    for (let i = 0; i < 10; i++) done({ durationMs: 20 });
    view.poolFacts = [poolStats({ leased: 20, waiting: 3 }), poolStats({ node: 'replica-1' })];
    await clock.elapseMs(1_300);
    const valueAt = (metric: MonitorMetric): number | null =>
      monitor
        .history({ metric })
        .points.reduce<number | null>(
          (peak, { value }) => (value === null ? peak : Math.max(peak ?? 0, value)),
          null,
        );
    expect(valueAt('queriesPerSecond')).toBeGreaterThan(9);
    expect(valueAt('p95Ms')).toBeCloseTo(20, 0);
    expect(valueAt('leased')).toBeCloseTo(22);
    expect(valueAt('utilizationRatio')).toBe(1);
    const { points, stepMs, unit } = monitor.history({ metric: 'p95Ms' });
    expect({ stepMs, unit }).toEqual({ stepMs: 1_000, unit: 'ms' });
    expect(points.filter(({ value }) => value !== null)).toHaveLength(1);
    expect(points.map(({ atMs }) => atMs)).toEqual([...points.map(({ atMs }) => atMs)].sort());
  });

  it('cuts history at the times asked for', async () => {
    await clock.elapseMs(60_000);
    const nowMs = clock.nowMs();
    const { points } = monitor.history({
      metric: 'leased',
      fromMs: nowMs - 30_000,
      toMs: nowMs - 10_000,
    });
    expect(points.length).toBeGreaterThan(16);
    expect(points.length).toBeLessThan(24);
    for (const { atMs } of points) expect(Math.abs(nowMs - 20_000 - atMs)).toBeLessThan(10_001);
  });

  it.each([
    [{ metric: 'p95' as never }, '"p95" is not a metric. Take one of queriesPerSecond'],
    [{ metric: 'p95Ms' as const, fromMs: 2, toMs: 1 }, 'fromMs before toMs'],
    [{ metric: 'p95Ms' as const, fromMs: Number.NaN }, 'fromMs before toMs'],
    [{ metric: 'p95Ms' as const, toMs: Number.POSITIVE_INFINITY }, 'fromMs before toMs'],
  ])('refuses %j', (request, message) => {
    expect(() => monitor.history(request)).toThrow(UsageError);
    expect(() => monitor.history(request)).toThrow(message);
  });

  it('measures for which share of the time a primary answered', async () => {
    await clock.elapseMs(30_000);
    view.nodeFacts = [nodeSnapshot({ isReachable: false })];
    await clock.elapseMs(10_000);
    expect(monitor.snapshot().availabilityRatio).toBeCloseTo(0.75, 1);
  });

  it('reports health by component and trends with what they rest on', async () => {
    await monitor.stop();
    const checks = {
      pool: { state: 'degraded', reason: '20 of 20.', ageMs: 0, figures: { leased: 20 } },
      role: undefined,
    };
    monitor = build(MONITOR_DEFAULTS, () => ({ state: 'degraded', checks }));
    monitor.start();
    done({ outcome: 'error', errorCode: 'DB_QUERY' });
    done();
    await clock.elapseMs(10_000);
    const report = monitor.report();
    expect(report.health).toEqual({
      state: 'degraded',
      checks: { pool: { state: 'degraded', reason: '20 of 20.' } },
    });
    expect(report.queries).toEqual({ total: 2, errors: 1, errorRatio: 0.5 });
    expect(report.trends.p95Ms).toMatchObject({ unit: 'ms', last5m: { points: 1 } });
    expect(report.trends.leased?.last24h.points).toBeGreaterThan(7);
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ instance: 'default' });
  });

  it('claims nothing that was not measured', () => {
    queries.stop();
    const idle = build({ history: false, eventLoopLag: false });
    expect(idle.report()).toMatchObject({
      availabilityRatio: undefined,
      health: undefined,
      queries: undefined,
      trends: {},
    });
    expect(idle.snapshot()).toMatchObject({ queries: undefined, eventLoopLag: undefined });
    expect(idle.history({ metric: 'p95Ms' }).points).toEqual([]);
  });

  it('samples nothing when it is off', async () => {
    await monitor.stop();
    monitor = build(false);
    monitor.start();
    await clock.elapseMs(5_000);
    expect(monitor.isEnabled).toBe(false);
    expect(monitor.snapshot().availabilityRatio).toBeUndefined();
    expect(monitor.snapshot().queries?.queries).toBe(0);
  });

  it('passes events on until its listener is taken away', () => {
    const heard: string[] = [];
    const end = monitor.on('circuit:closed', ({ node }) => heard.push(node));
    events.emit('circuit:closed', { node: 'a' });
    end();
    events.emit('circuit:closed', { node: 'b' });
    expect(heard).toEqual(['a']);
  });

  it('starts and stops as often as it is told', async () => {
    monitor.start();
    await monitor.stop();
    await monitor.stop();
    monitor.start();
    await clock.elapseMs(3_000);
    expect(monitor.history({ metric: 'leased' }).points.length).toBeGreaterThan(1);
  });
});

describe('trendOf', () => {
  it('leaves out what was not measured', () => {
    const points = [1, null, 3].map((value, atMs) => ({ atMs, value }));
    expect(trendOf(points)).toEqual({ mean: 2, max: 3, points: 2 });
    expect(trendOf([{ atMs: 0, value: null }])).toEqual({ mean: null, max: null, points: 0 });
  });
});

describe('the slice monitor', () => {
  const resolve = (given: unknown): MonitorOptions | false => {
    const checks = new Checks();
    const monitor = resolveMonitor(given, checks);
    checks.throwIfAny();
    return monitor;
  };

  it('is whole and frozen, or false', () => {
    expect(resolve(undefined)).toEqual(MONITOR_DEFAULTS);
    expect(Object.isFrozen(resolve({}))).toBe(true);
    expect(resolve(false)).toBe(false);
  });

  it.each([[{ history: 1 }], [{ eventLoopLag: 'no' }], [{ hystory: true }], [true]])(
    'refuses %j',
    (given) => {
      expect(() => resolve(given)).toThrow(ConfigurationError);
    },
  );
});
