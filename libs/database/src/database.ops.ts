// Wiring of what looks on: telemetry and the operations rooms of one instance.
import { DEFAULT_INSTANCE } from './database.instance.js';
import type { ResolvedOptions } from './database.options.js';
import type { Clock } from './kernel/clock.js';
import type { Events } from './kernel/events.js';
import { CapabilityHost } from './ops/capability-host.js';
import type { DatabaseView } from './ops/database-view.js';
import type { EndpointPorts } from './ops/endpoints/endpoint-ports.js';
import { DatabaseHealthIndicator } from './ops/health/database.health.js';
import { HealthService } from './ops/health/health.service.js';
import { DatabaseMonitorService } from './ops/monitor/monitor.service.js';
import { ConnectionMetrics } from './telemetry/connection-metrics.js';
import { EventLog } from './telemetry/event-log.js';
import { EventLoopLag } from './telemetry/event-loop-lag.js';
import { PrometheusExporter } from './telemetry/prometheus.js';
import { PROMETHEUS_CONTENT_TYPE } from './telemetry/prometheus-text.js';
import { QueryMetrics } from './telemetry/query-metrics.js';
import { TELEMETRY_DEFAULTS } from './telemetry/telemetry.options.js';

/** What the rooms look at. */
export interface OpsParts {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly events: Events;
  readonly view: DatabaseView;
}

/** The lookers-on. They ask no server, and the trip of a query knows none of them. */
export class DatabaseOps {
  readonly monitor: DatabaseMonitorService;
  readonly indicator: DatabaseHealthIndicator;
  private readonly queries: QueryMetrics;
  private readonly connections: ConnectionMetrics;
  private readonly log: EventLog | undefined;
  private readonly health: HealthService;
  private readonly exporter: PrometheusExporter;
  private readonly host: CapabilityHost;

  constructor(private readonly parts: OpsParts) {
    const { options, clock, events, view } = parts;
    const { name, telemetry } = options;
    const { windowMs } = telemetry === false ? TELEMETRY_DEFAULTS : telemetry;
    const lag = new EventLoopLag(clock, windowMs);
    const context = name === DEFAULT_INSTANCE ? 'Database' : `Database ${name}`;
    this.queries = new QueryMetrics(events, clock, windowMs);
    this.connections = new ConnectionMetrics(events);
    this.log =
      telemetry !== false && telemetry.log
        ? new EventLog({ events, clock, options: telemetry, context })
        : undefined;
    this.health = new HealthService({
      view,
      events,
      clock,
      options: options.health,
      recentP95Ms: () => this.recentP95Ms(),
    });
    this.indicator = new DatabaseHealthIndicator(this.health);
    this.monitor = new DatabaseMonitorService({
      instance: name,
      view,
      events,
      clock,
      options: options.monitor,
      queries: this.queries,
      lag,
      health: () => this.health.report(),
    });
    this.exporter = new PrometheusExporter({
      instance: name === DEFAULT_INSTANCE ? undefined : name,
      view,
      queries: this.queries,
      connections: this.connections,
      lag,
      clock,
    });
    this.host = new CapabilityHost([this.health, this.monitor], events);
  }

  /** Begins to count and to log: before the first connection is opened. */
  listen(): void {
    if (this.parts.options.telemetry === false) return;
    this.queries.start();
    this.connections.start();
    this.log?.start();
  }

  /** Ends that: after the last connection was closed. */
  deafen(): void {
    this.queries.stop();
    this.connections.stop();
    this.log?.stop();
  }

  /** Starts the rooms' background work. */
  start(): Promise<void> {
    return this.host.start();
  }

  stop(): Promise<void> {
    return this.host.stop();
  }

  /** What the HTTP endpoints tell. */
  endpointPorts(): EndpointPorts {
    return {
      instance: this.parts.options.name,
      view: this.parts.view,
      readiness: () => this.health.readiness(),
      health: () => this.health.report(),
      metrics: () => this.monitor.snapshot(),
      scrape: () => ({
        contentType: PROMETHEUS_CONTENT_TYPE,
        text: this.exporter.text(),
      }),
    };
  }

  private recentP95Ms(): number | undefined {
    return this.queries.isListening ? this.queries.figures().duration?.p95Ms : undefined;
  }
}
