// Queries of one node: counts and durations, reads and writes apart.
import type { QueryRecord } from '../kernel/event-map.js';
import type { Intent } from '../query/query.js';
import { BucketCounts, DURATION_BOUNDS, Histogram } from './histogram.js';
import type { DistributionFigures } from './histogram.js';
import { SlidingHistogram } from './sliding-window.js';

/** Durations of queries that ended within the window; undefined when there were none. */
export interface TimingFigures {
  /** From the call to its end. */
  readonly duration: DistributionFigures | undefined;
  /** In the pool's queue. */
  readonly wait: DistributionFigures | undefined;
  /** On the wire and in the server. */
  readonly server: DistributionFigures | undefined;
}

/** Queries of one node and intent. Counts run from the start of the process. */
export interface QuerySeriesFigures extends TimingFigures {
  readonly node: string;
  readonly intent: Intent;
  readonly queries: number;
  readonly errors: number;
  readonly rows: number;
}

/** What is counted for one node and intent. */
export class QuerySeries {
  queries = 0;
  errors = 0;
  rows = 0;
  readonly buckets = new BucketCounts(DURATION_BOUNDS);
  readonly duration: SlidingHistogram;
  readonly wait: SlidingHistogram;
  readonly server: SlidingHistogram;

  constructor(
    readonly node: string,
    readonly intent: Intent,
    windowMs: number,
  ) {
    this.duration = new SlidingHistogram(windowMs);
    this.wait = new SlidingHistogram(windowMs);
    this.server = new SlidingHistogram(windowMs);
  }

  record(query: QueryRecord, nowMs: number): void {
    this.queries++;
    if (query.outcome !== 'ok') this.errors++;
    this.rows += query.rowCount;
    this.buckets.record(query.durationMs / 1_000);
    this.duration.record(query.durationMs, nowMs);
    this.wait.record(query.waitMs, nowMs);
    this.server.record(query.serverMs, nowMs);
  }

  figures(nowMs: number): QuerySeriesFigures {
    const { node, intent, queries, errors, rows } = this;
    return { node, intent, queries, errors, rows, ...timingsOf([this], nowMs) };
  }
}

/** The series of one node. */
export class NodeSeries {
  /** Waits for a connection; a query on a connection that somebody holds waits for none. */
  readonly waits = new BucketCounts(DURATION_BOUNDS);
  private readonly intents: Record<Intent, QuerySeries | undefined> = {
    read: undefined,
    write: undefined,
  };

  constructor(
    readonly node: string,
    private readonly windowMs: number,
  ) {}

  record(query: QueryRecord, nowMs: number): void {
    const { intent } = query;
    const series = (this.intents[intent] ??= new QuerySeries(this.node, intent, this.windowMs));
    series.record(query, nowMs);
    if (!query.pinned) this.waits.record(query.waitMs / 1_000);
  }

  all(): QuerySeries[] {
    return [this.intents.read, this.intents.write].filter((series) => series !== undefined);
  }
}

/** Durations of several series together. */
export function timingsOf(series: readonly QuerySeries[], nowMs: number): TimingFigures {
  const merged = (kind: keyof TimingFigures): DistributionFigures | undefined => {
    const sum = new Histogram();
    for (const one of series) one[kind].addTo(sum, nowMs);
    return sum.figures();
  };
  return { duration: merged('duration'), wait: merged('wait'), server: merged('server') };
}
