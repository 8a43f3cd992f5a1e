// Counts, rates and durations of queries, by node and intent, from `query:done`.
import type { Clock } from '../kernel/clock.js';
import type { QueryOutcome, QueryRecord } from '../kernel/event-map.js';
import type { Events } from '../kernel/events.js';
import type { Intent } from '../query/query.js';
import { ErrorKinds } from './error-kinds.js';
import type { ErrorFigures, LastQueryError } from './error-kinds.js';
import { BucketCounts, ROW_BOUNDS } from './histogram.js';
import type { BucketFigures } from './histogram.js';
import { NodeSeries, timingsOf } from './query-series.js';
import type { QuerySeries, QuerySeriesFigures, TimingFigures } from './query-series.js';
import { SlidingCounter } from './sliding-window.js';

/** Nodes that get figures of their own; the rest is counted as `other`. */
const MAX_NODES = 32;
const OTHER = 'other';
/** For queries that were refused before a node was found. */
const NO_NODE = 'none';

/** Mean rates per second, over the time named or since the start where that is shorter. */
export interface RateFigures {
  readonly last10s: number;
  readonly last1m: number;
  readonly last5m: number;
}

/** Everything measured about queries. Counts run from the start of the process. */
export interface QueryFigures extends TimingFigures {
  readonly queries: number;
  /** Queries that did not end as `ok`. */
  readonly errors: number;
  readonly rows: number;
  /** Attempts beyond the first. */
  readonly repeats: number;
  readonly outcomes: Readonly<Record<QueryOutcome, number>>;
  readonly errorKinds: readonly ErrorFigures[];
  readonly queriesPerSecond: RateFigures;
  readonly errorsPerSecond: RateFigures;
  /** Time over which the durations are taken, in ms. */
  readonly windowMs: number;
  readonly series: readonly QuerySeriesFigures[];
  readonly lastError: LastQueryError | undefined;
}

/** The buckets behind the figures, for Prometheus; durations in seconds. */
export interface QueryBuckets {
  readonly durations: ReadonlyArray<{
    readonly node: string;
    readonly intent: Intent;
    readonly buckets: BucketFigures;
  }>;
  readonly waits: ReadonlyArray<{ readonly node: string; readonly buckets: BucketFigures }>;
  readonly rows: BucketFigures;
}

/** Listens to every query from `start` to `stop`. Bounded: 32 nodes, 100 kinds of errors. */
export class QueryMetrics {
  private readonly nodes = new Map<string, NodeSeries>();
  private readonly errorKinds = new ErrorKinds();
  private readonly outcomes = { ok: 0, error: 0, timeout: 0, aborted: 0, refused: 0 };
  private readonly rows = new BucketCounts(ROW_BOUNDS);
  private readonly queriesLately: SlidingCounter;
  private readonly errorsLately: SlidingCounter;
  private repeats = 0;
  private deafen: (() => void) | undefined;

  constructor(
    private readonly events: Events,
    private readonly clock: Clock,
    private readonly windowMs: number,
  ) {
    this.queriesLately = new SlidingCounter(clock.monotonicMs());
    this.errorsLately = new SlidingCounter(clock.monotonicMs());
  }

  /** False when nothing is measured, so that zeros are not taken for figures. */
  get isListening(): boolean {
    return this.deafen !== undefined;
  }

  start(): void {
    this.deafen ??= this.events.on('query:done', (query) => this.record(query));
  }

  stop(): void {
    this.deafen?.();
    this.deafen = undefined;
  }

  figures(): QueryFigures {
    const nowMs = this.clock.monotonicMs();
    const all = this.series();
    const sum = (kind: 'queries' | 'errors' | 'rows'): number =>
      all.reduce((total, series) => total + series[kind], 0);
    return {
      queries: sum('queries'),
      errors: sum('errors'),
      rows: sum('rows'),
      repeats: this.repeats,
      outcomes: { ...this.outcomes },
      errorKinds: this.errorKinds.figures(),
      queriesPerSecond: this.rates(this.queriesLately, nowMs),
      errorsPerSecond: this.rates(this.errorsLately, nowMs),
      windowMs: this.windowMs,
      ...timingsOf(all, nowMs),
      series: all.map((series) => series.figures(nowMs)),
      lastError: this.errorKinds.last,
    };
  }

  /** How often queries failed, by reason. */
  errorFigures(): ErrorFigures[] {
    return this.errorKinds.figures();
  }

  buckets(): QueryBuckets {
    return {
      durations: this.series().map(({ node, intent, buckets }) => ({
        node,
        intent,
        buckets: buckets.figures(),
      })),
      waits: Array.from(this.nodes.values(), ({ node, waits }) => ({
        node,
        buckets: waits.figures(),
      })),
      rows: this.rows.figures(),
    };
  }

  private record(query: QueryRecord): void {
    const nowMs = this.clock.monotonicMs();
    this.seriesOf(query.node ?? NO_NODE).record(query, nowMs);
    this.outcomes[query.outcome]++;
    this.queriesLately.add(nowMs);
    if (query.attempts > 1) this.repeats += query.attempts - 1;
    if (query.outcome === 'ok') this.rows.record(query.rowCount);
    else {
      this.errorsLately.add(nowMs);
      this.errorKinds.record(query);
    }
  }

  private seriesOf(node: string): NodeSeries {
    const known = this.nodes.get(node);
    if (known !== undefined) return known;
    if (this.nodes.size >= MAX_NODES - 1 && node !== OTHER) return this.seriesOf(OTHER);
    const fresh = new NodeSeries(node, this.windowMs);
    this.nodes.set(node, fresh);
    return fresh;
  }

  private series(): QuerySeries[] {
    return Array.from(this.nodes.values()).flatMap((node) => node.all());
  }

  private rates(counter: SlidingCounter, nowMs: number): RateFigures {
    return {
      last10s: counter.perSecond(10_000, nowMs),
      last1m: counter.perSecond(60_000, nowMs),
      last5m: counter.perSecond(300_000, nowMs),
    };
  }
}
