// Queries of one node: counts and durations, reads and writes apart.
import type { QueryRecord } from '../kernel/event-map.js';
import type { Intent } from '../query/query.js';
import { BucketCounts, DURATION_BOUNDS, Histogram } from './histogram.js';
import type { DistributionFigures } from './histogram.js';
import { SlidingWindow } from './sliding-window.js';

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

/** Durations of some queries. */
class Timings {
  private readonly duration = new Histogram();
  private readonly wait = new Histogram();
  private readonly server = new Histogram();

  record({ durationMs, waitMs, serverMs }: QueryRecord): void {
    this.duration.record(durationMs);
    this.wait.record(waitMs);
    this.server.record(serverMs);
  }

  add(other: Timings): void {
    this.duration.add(other.duration);
    this.wait.add(other.wait);
    this.server.add(other.server);
  }

  reset(): void {
    this.duration.reset();
    this.wait.reset();
    this.server.reset();
  }

  figures(): TimingFigures {
    const { duration, wait, server } = this;
    return { duration: duration.figures(), wait: wait.figures(), server: server.figures() };
  }
}

/** What is counted for one node and intent. */
export class QuerySeries {
  queries = 0;
  errors = 0;
  rows = 0;
  readonly buckets = new BucketCounts(DURATION_BOUNDS);
  readonly lately: SlidingWindow<Timings>;

  constructor(
    readonly node: string,
    readonly intent: Intent,
    windowMs: number,
  ) {
    this.lately = new SlidingWindow(windowMs, () => new Timings());
  }

  record(query: QueryRecord, nowMs: number): void {
    this.queries++;
    if (query.outcome !== 'ok') this.errors++;
    this.rows += query.rowCount;
    this.buckets.record(query.durationMs / 1_000);
    this.lately.at(nowMs).record(query);
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
  const sum = new Timings();
  for (const { lately } of series) for (const slot of lately.within(nowMs)) sum.add(slot);
  return sum.figures();
}
