// What the monitor tells.
import type { ProcessFigures } from '../../telemetry/process-metrics.js';
import type { DistributionFigures } from '../../telemetry/histogram.js';
import type { QueryFigures } from '../../telemetry/query-metrics.js';
import type { CircuitSnapshot, NodeSnapshot, PoolStats } from '../database-view.js';
import type { MonitorMetric } from './metrics.js';

/** Everything as it is now. */
export interface MonitorSnapshot {
  /** Name of the instance of the module. */
  readonly instance: string;
  /** Wall time, in ms since 1970. */
  readonly atMs: number;
  /** Since the instance was made, in ms. */
  readonly uptimeMs: number;
  /** Share of the observed time in which a primary answered, 0 to 1; undefined before the first sample. */
  readonly availabilityRatio: number | undefined;
  /** Undefined when `telemetry` is `false`. */
  readonly queries: QueryFigures | undefined;
  readonly pools: readonly PoolStats[];
  readonly nodes: readonly NodeSnapshot[];
  readonly circuits: readonly CircuitSnapshot[];
  /** Over the last minute; undefined when it is not measured. */
  readonly eventLoopLag: DistributionFigures | undefined;
  readonly process: ProcessFigures;
}

/** What history is asked for. */
export interface HistoryRequest {
  readonly metric: MonitorMetric;
  /** Wall time, in ms since 1970. @default ten minutes ago */
  readonly fromMs?: number | undefined;
  /** Wall time, in ms since 1970. @default now */
  readonly toMs?: number | undefined;
}

/** One figure of the past. */
export interface HistoryPoint {
  /** Wall time of the end of its interval, in ms since 1970. */
  readonly atMs: number;
  /** Null when nothing was measured, such as the duration of queries when there were none. */
  readonly value: number | null;
}

/** Figures of the past, the oldest first, at the finest resolution that reaches back far enough. */
export interface History {
  readonly metric: MonitorMetric;
  readonly unit: string;
  /** Length of an interval, in ms. */
  readonly stepMs: number;
  readonly points: readonly HistoryPoint[];
}

/** Mean and peak of the points of a time; `points` tells how much was measured. */
export interface TrendFigures {
  readonly mean: number | null;
  readonly max: number | null;
  readonly points: number;
}

/** A metric over three times. */
export interface Trend {
  readonly unit: string;
  readonly last5m: TrendFigures;
  readonly last1h: TrendFigures;
  readonly last24h: TrendFigures;
}

/** Health as the hall hands it to the monitor. */
export interface HealthSummary {
  readonly state: string;
  readonly checks: Readonly<
    Record<string, { readonly state: string; readonly reason: string } | undefined>
  >;
}

/** What was measured, for people and tools. */
export interface MonitorReport {
  readonly instance: string;
  /** Wall time, in ms since 1970. */
  readonly atMs: number;
  readonly uptimeMs: number;
  readonly availabilityRatio: number | undefined;
  /** State and reason of each component; undefined when health is not judged. */
  readonly health: HealthSummary | undefined;
  /** Counts from the start of the process; undefined when `telemetry` is `false`. */
  readonly queries:
    | { readonly total: number; readonly errors: number; readonly errorRatio: number | null }
    | undefined;
  /** Empty when no history is kept. */
  readonly trends: Readonly<Partial<Record<MonitorMetric, Trend>>>;
}
