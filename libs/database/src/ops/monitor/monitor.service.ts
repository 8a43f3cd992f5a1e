// Looks at the instance once a second, keeps what it saw, and tells it.
import type { Clock } from '../../kernel/clock.js';
import { UsageError } from '../../kernel/errors.js';
import type { EventMap, QueryRecord } from '../../kernel/event-map.js';
import type { EventName, Events } from '../../kernel/events.js';
import { Ticker } from '../../kernel/ticker.js';
import type { EventLoopLag } from '../../telemetry/event-loop-lag.js';
import { Histogram } from '../../telemetry/histogram.js';
import { readProcess } from '../../telemetry/process-metrics.js';
import type { QueryMetrics } from '../../telemetry/query-metrics.js';
import type { Capability } from '../capability.js';
import type { DatabaseView } from '../database-view.js';
import { isMonitorMetric, METRIC_NAMES, MONITOR_METRICS } from './metrics.js';
import type { MonitorMetric } from './metrics.js';
import type { MonitorOptions } from './monitor.options.js';
import { errorRatio, trendOf } from './monitor.rules.js';
import type {
  HealthSummary,
  History,
  HistoryRequest,
  MonitorReport,
  MonitorSnapshot,
  Trend,
} from './monitor.types.js';
import type { Sample } from './sample.js';
import { Timeline } from './timeline.js';

const SAMPLE_EVERY_MS = 1_000;
const MINUTE_MS = 60_000;

/** What the monitor works with. */
export interface MonitorParts {
  /** Name of the instance of the module. */
  readonly instance: string;
  readonly view: DatabaseView;
  readonly events: Events;
  readonly clock: Clock;
  readonly options: MonitorOptions | false;
  readonly queries: QueryMetrics;
  /** Started and stopped by the monitor. */
  readonly lag: EventLoopLag;
  /** Health of each component, for the report. @default not judged */
  readonly health?: () => HealthSummary;
}

/** Figures of an instance, now and in the past. Asks no server. */
export class DatabaseMonitorService implements Capability<MonitorSnapshot> {
  readonly name = 'monitor';
  readonly isEnabled: boolean;
  private readonly ticker: Ticker;
  private readonly startedAtMs: number;
  private readonly durations = new Histogram();
  private readonly waits = new Histogram();
  private timeline: Timeline | undefined;
  private queries = 0;
  private errors = 0;
  private sampledAtMs = 0;
  private observedMs = 0;
  private availableMs = 0;
  private deafen: (() => void) | undefined;

  constructor(private readonly parts: MonitorParts) {
    const { clock, events, options } = parts;
    this.isEnabled = options !== false;
    this.startedAtMs = clock.monotonicMs();
    this.ticker = new Ticker({
      clock,
      everyMs: SAMPLE_EVERY_MS,
      run: () => this.look(),
      failed: (error) => events.emit('work:failed', { work: 'monitor', error }),
    });
  }

  start(): void {
    const { options, events, clock, lag } = this.parts;
    if (options === false || this.deafen !== undefined) return;
    if (options.history) this.timeline ??= new Timeline();
    if (options.eventLoopLag) lag.start();
    this.deafen = events.on('query:done', (query) => this.count(query));
    this.sampledAtMs = clock.monotonicMs();
    this.ticker.start();
  }

  async stop(): Promise<void> {
    this.deafen?.();
    this.deafen = undefined;
    this.parts.lag.stop();
    await this.ticker.stop();
  }

  /** Counters, rates, durations, pools, nodes and the process, as they are now. */
  snapshot(): MonitorSnapshot {
    const { instance, view, clock, queries, lag } = this.parts;
    return {
      instance,
      atMs: clock.nowMs(),
      uptimeMs: clock.monotonicMs() - this.startedAtMs,
      availabilityRatio: this.availabilityRatio(),
      queries: queries.isListening ? queries.figures() : undefined,
      pools: view.pools(),
      nodes: view.nodes(),
      circuits: view.circuits(),
      eventLoopLag: lag.figures(),
      process: readProcess(),
    };
  }

  /**
   * A metric over time, from memory; without points when no history is kept. At most 1,440 points.
   * @throws UsageError for a metric that does not exist, or times that are none.
   */
  history({ metric, fromMs, toMs }: HistoryRequest): History {
    if (!isMonitorMetric(metric)) {
      const shown = JSON.stringify(metric);
      throw new UsageError(`${shown} is not a metric. Take one of ${METRIC_NAMES.join(', ')}.`);
    }
    const nowMs = this.parts.clock.nowMs();
    const from = fromMs ?? nowMs - 10 * MINUTE_MS;
    const to = toMs ?? nowMs;
    if (!Number.isFinite(from) || !Number.isFinite(to) || from > to) {
      throw new UsageError('history() needs fromMs before toMs, both in ms since 1970.');
    }
    const { unit } = MONITOR_METRICS[metric];
    const past = this.timeline?.read(metric, from, to) ?? { stepMs: SAMPLE_EVERY_MS, points: [] };
    return { metric, unit, ...past };
  }

  /** Health by component and trends, as plain JSON; claims nothing that was not measured. */
  report(): MonitorReport {
    const { instance, clock, queries, health } = this.parts;
    const { queries: total, errors } = queries.figures();
    return {
      instance,
      atMs: clock.nowMs(),
      uptimeMs: clock.monotonicMs() - this.startedAtMs,
      availabilityRatio: this.availabilityRatio(),
      health: health === undefined ? undefined : componentsOf(health()),
      queries: queries.isListening
        ? { total, errors, errorRatio: errorRatio(total, errors) }
        : undefined,
      trends: this.timeline === undefined ? {} : this.trends(),
    };
  }

  /** Calls `handler` at each event, in the midst of the library's work: keep it short. Returns its end. */
  on<Name extends EventName>(event: Name, handler: (facts: EventMap[Name]) => void): () => void {
    return this.parts.events.on(event, handler);
  }

  private count(query: QueryRecord): void {
    this.queries++;
    if (query.outcome !== 'ok') this.errors++;
    this.durations.record(query.durationMs);
    if (!query.pinned) this.waits.record(query.waitMs);
  }

  private look(): void {
    const { clock, view } = this.parts;
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - this.sampledAtMs;
    // The first run comes at once, with nothing behind it.
    if (elapsedMs <= 0) return;
    this.sampledAtMs = nowMs;
    this.observedMs += elapsedMs;
    const isAvailable = view.nodes().some((node) => node.role === 'primary' && node.isReachable);
    if (isAvailable) this.availableMs += elapsedMs;
    this.timeline?.record(this.sample(elapsedMs), clock.nowMs());
    this.queries = 0;
    this.errors = 0;
    this.durations.reset();
    this.waits.reset();
  }

  private sample(elapsedMs: number): Sample {
    const { view, lag } = this.parts;
    const { queries, errors, durations, waits } = this;
    const pools = view.pools();
    const sum = (kind: 'leased' | 'idle' | 'waiting'): number =>
      pools.reduce((total, pool) => total + pool[kind], 0);
    const memory = readProcess();
    const lagMs = lag.takeMaxMs();
    const gauges = {
      leased: sum('leased'),
      idle: sum('idle'),
      waiting: sum('waiting'),
      utilizationRatio: Math.max(0, ...pools.map((pool) => pool.utilizationRatio)),
      ...(lagMs !== undefined && { eventLoopLagMs: lagMs }),
      residentBytes: memory.residentBytes,
      heapUsedBytes: memory.heapUsedBytes,
    };
    return { elapsedMs, queries, errors, durations, waits, gauges };
  }

  private availabilityRatio(): number | undefined {
    return this.observedMs === 0 ? undefined : this.availableMs / this.observedMs;
  }

  private trends(): Record<MonitorMetric, Trend> {
    const nowMs = this.parts.clock.nowMs();
    const over = (metric: MonitorMetric, minutes: number): Trend['last5m'] =>
      trendOf(this.history({ metric, fromMs: nowMs - minutes * MINUTE_MS, toMs: nowMs }).points);
    const trends = METRIC_NAMES.map((metric) => [
      metric,
      {
        unit: MONITOR_METRICS[metric].unit,
        last5m: over(metric, 5),
        last1h: over(metric, 60),
        last24h: over(metric, 1_440),
      },
    ]);
    return Object.fromEntries(trends) as Record<MonitorMetric, Trend>;
  }
}

/** State and reason alone: figures are in the snapshot. */
function componentsOf({ state, checks }: HealthSummary): HealthSummary {
  const components = Object.entries(checks).flatMap(([name, check]) =>
    check === undefined ? [] : [[name, { state: check.state, reason: check.reason }] as const],
  );
  return { state, checks: Object.fromEntries(components) };
}
