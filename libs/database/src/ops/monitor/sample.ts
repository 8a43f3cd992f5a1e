// One look at the instance, and several of them put together.
import { Histogram } from '../../telemetry/histogram.js';
import { METRIC_NAMES, MONITOR_METRICS } from './metrics.js';
import type { MonitorMetric } from './metrics.js';

/** Metrics that are read, not counted. */
export type Gauge = Extract<
  MonitorMetric,
  | 'leased'
  | 'idle'
  | 'waiting'
  | 'utilizationRatio'
  | 'eventLoopLagMs'
  | 'residentBytes'
  | 'heapUsedBytes'
>;

/** What happened since the last look, and what is to be seen now. */
export interface Sample {
  /** Time since the last look, in ms. */
  readonly elapsedMs: number;
  readonly queries: number;
  readonly errors: number;
  readonly durations: Histogram;
  readonly waits: Histogram;
  readonly gauges: Readonly<Partial<Record<Gauge, number>>>;
}

interface GaugeSum {
  weighted: number;
  elapsedMs: number;
  max: number;
}

/** Samples of one interval, put together by the rule of each metric. */
export class Interval {
  private spanMs = 0;
  private queries = 0;
  private errors = 0;
  private readonly durations = new Histogram();
  private readonly waits = new Histogram();
  private readonly gauges = new Map<MonitorMetric, GaugeSum>();

  /** Time it covers so far, in ms. */
  get elapsedMs(): number {
    return this.spanMs;
  }

  add({ elapsedMs, queries, errors, durations, waits, gauges }: Sample): void {
    this.spanMs += elapsedMs;
    this.queries += queries;
    this.errors += errors;
    this.durations.add(durations);
    this.waits.add(waits);
    for (const [name, value] of Object.entries(gauges) as Array<[Gauge, number | undefined]>) {
      if (value === undefined) continue;
      const sum = this.gauges.get(name) ?? { weighted: 0, elapsedMs: 0, max: value };
      sum.weighted += value * elapsedMs;
      sum.elapsedMs += elapsedMs;
      sum.max = Math.max(sum.max, value);
      this.gauges.set(name, sum);
    }
  }

  /** One value a metric, in the order of the columns; NaN where nothing was measured. Starts anew. */
  take(): number[] {
    const durations = this.durations.figures();
    const seconds = this.spanMs / 1_000;
    const counted: Partial<Record<MonitorMetric, number | undefined>> = {
      queriesPerSecond: seconds === 0 ? undefined : this.queries / seconds,
      errorsPerSecond: seconds === 0 ? undefined : this.errors / seconds,
      meanMs: durations?.meanMs,
      p50Ms: durations?.p50Ms,
      p95Ms: durations?.p95Ms,
      p99Ms: durations?.p99Ms,
      maxMs: durations?.maxMs,
      waitP95Ms: this.waits.figures()?.p95Ms,
    };
    const values = METRIC_NAMES.map((name) => counted[name] ?? this.gaugeOf(name) ?? Number.NaN);
    this.reset();
    return values;
  }

  private gaugeOf(name: MonitorMetric): number | undefined {
    const sum = this.gauges.get(name);
    if (sum === undefined) return undefined;
    if (MONITOR_METRICS[name].rollUp === 'max' || sum.elapsedMs === 0) return sum.max;
    return sum.weighted / sum.elapsedMs;
  }

  private reset(): void {
    this.spanMs = 0;
    this.queries = 0;
    this.errors = 0;
    this.durations.reset();
    this.waits.reset();
    this.gauges.clear();
  }
}
