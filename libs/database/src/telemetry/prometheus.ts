// From what is measured to the text of a scrape.
import type { Clock } from '../kernel/clock.js';
import type { ConnectionMetrics } from './connection-metrics.js';
import type { EventLoopLag } from './event-loop-lag.js';
import { readProcess } from './process-metrics.js';
import { writeNodes, writePools, writeProcess, writeQueries } from './prometheus-families.js';
import type { LabelsOf } from './prometheus-families.js';
import { PrometheusText } from './prometheus-text.js';
import type { QueryMetrics } from './query-metrics.js';
import type { Scrape, ScrapedView } from './scrape.js';

/** The scrape as text. */
function prometheusText(scrape: Scrape): string {
  const labelsOf: LabelsOf = (node, more) => ({
    db_system_name: 'postgresql',
    db_client_connection_pool_name:
      scrape.instance === undefined ? node : `${scrape.instance}.${node}`,
    ...more,
  });
  const text = new PrometheusText();
  writeQueries(text, scrape, labelsOf);
  writePools(text, scrape, labelsOf);
  writeNodes(text, scrape, labelsOf);
  writeProcess(text, scrape);
  return text.toString();
}

/** What an exporter works with. */
export interface PrometheusParts {
  /** Undefined for the only instance of the application. */
  readonly instance: string | undefined;
  readonly view: ScrapedView;
  readonly queries: QueryMetrics;
  readonly connections: ConnectionMetrics;
  readonly lag: EventLoopLag;
  readonly clock: Clock;
}

/** Answers scrapes from what is measured already. */
export class PrometheusExporter {
  constructor(private readonly parts: PrometheusParts) {}

  text(): string {
    const { instance, view, queries, connections, lag, clock } = this.parts;
    return prometheusText({
      instance,
      nodes: view.nodes(),
      pools: view.pools(),
      circuits: view.circuits(),
      queries: queries.isListening
        ? { buckets: queries.buckets(), errors: queries.errorFigures() }
        : undefined,
      createTimes: connections.createTimes(),
      process: readProcess(),
      atMs: clock.nowMs(),
      eventLoopLag: lag.figures(),
    });
  }
}
