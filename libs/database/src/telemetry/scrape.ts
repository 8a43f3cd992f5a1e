// What a scrape looks at: plain facts about nodes, pools, circuits, queries and the process.
import type { PoolStats } from '../pool/pool-stats.js';
import type { ConnectionMetrics } from './connection-metrics.js';
import type { ErrorFigures } from './error-kinds.js';
import type { DistributionFigures } from './histogram.js';
import type { ProcessFigures } from './process-metrics.js';
import type { QueryBuckets } from './query-metrics.js';

/** The little that a scrape needs of a node. */
export interface ScrapedNode {
  readonly name: string;
  readonly role: string;
  readonly isReachable: boolean;
  readonly lagMs: number | undefined;
  readonly lagBytes: number | undefined;
  readonly latencyMs: number | undefined;
}

/** The little that a scrape needs of a circuit. */
export interface ScrapedCircuit {
  readonly node: string;
  readonly state: string;
}

/** What a scrape looks at; reading it touches no server. */
export interface ScrapedView {
  nodes(): readonly ScrapedNode[];
  pools(): readonly PoolStats[];
  circuits(): readonly ScrapedCircuit[];
}

/** Figures of one scrape. */
export interface Scrape {
  /** Put before the names of the pools; undefined for the only instance. */
  readonly instance: string | undefined;
  readonly nodes: readonly ScrapedNode[];
  readonly pools: readonly PoolStats[];
  readonly circuits: readonly ScrapedCircuit[];
  /** Undefined when queries are not measured. */
  readonly queries:
    { readonly buckets: QueryBuckets; readonly errors: readonly ErrorFigures[] } | undefined;
  readonly createTimes: ReturnType<ConnectionMetrics['createTimes']>;
  readonly process: ProcessFigures;
  /** Wall time of the scrape, in ms since 1970. */
  readonly atMs: number;
  readonly eventLoopLag: DistributionFigures | undefined;
}
