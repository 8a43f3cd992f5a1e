// The metrics that history keeps, and how intervals of them are put together.

/**
 * `rate`: events divided by time; `mean`: mean over time; `max`: the peak; `distribution`: from the
 * durations of all queries of the interval, never a mean of quantiles.
 */
export type RollUp = 'rate' | 'mean' | 'max' | 'distribution';

/** One metric. */
export interface MetricInfo {
  readonly unit: '1/s' | 'ms' | 'ratio' | 'bytes' | 'connections' | 'callers';
  readonly rollUp: RollUp;
}

/** All metrics, in the order of their columns. Pool figures are sums over all nodes. */
export const MONITOR_METRICS = Object.freeze({
  queriesPerSecond: { unit: '1/s', rollUp: 'rate' },
  errorsPerSecond: { unit: '1/s', rollUp: 'rate' },
  meanMs: { unit: 'ms', rollUp: 'distribution' },
  p50Ms: { unit: 'ms', rollUp: 'distribution' },
  p95Ms: { unit: 'ms', rollUp: 'distribution' },
  p99Ms: { unit: 'ms', rollUp: 'distribution' },
  maxMs: { unit: 'ms', rollUp: 'distribution' },
  waitP95Ms: { unit: 'ms', rollUp: 'distribution' },
  leased: { unit: 'connections', rollUp: 'mean' },
  idle: { unit: 'connections', rollUp: 'mean' },
  waiting: { unit: 'callers', rollUp: 'max' },
  /** Of the fullest pool. */
  utilizationRatio: { unit: 'ratio', rollUp: 'max' },
  eventLoopLagMs: { unit: 'ms', rollUp: 'max' },
  residentBytes: { unit: 'bytes', rollUp: 'max' },
  heapUsedBytes: { unit: 'bytes', rollUp: 'max' },
} as const satisfies Record<string, MetricInfo>);

/** The name of a metric. */
export type MonitorMetric = keyof typeof MONITOR_METRICS;

/** The names, in the order of their columns. */
export const METRIC_NAMES = Object.freeze(Object.keys(MONITOR_METRICS)) as readonly MonitorMetric[];

/** True for the name of a metric. */
export function isMonitorMetric(name: unknown): name is MonitorMetric {
  return METRIC_NAMES.includes(name as MonitorMetric);
}
