// The families of metrics: OpenTelemetry's names, seconds and bytes, a bounded set of labels.
import type { PoolStats } from '../pool/pool-stats.js';
import type { HistogramSample, Labels, PrometheusText, Sample } from './prometheus-text.js';
import type { Scrape, ScrapedNode } from './scrape.js';

const CIRCUIT_STATES = ['closed', 'open', 'half-open'];
const ROLES = ['primary', 'replica', 'unknown'];

/** Labels of a node's samples. */
export type LabelsOf = (node: string, more?: Labels) => Labels;

/** Durations, errors, rows and waits of queries. */
export function writeQueries(text: PrometheusText, { queries }: Scrape, labelsOf: LabelsOf): void {
  if (queries === undefined) return;
  const { buckets, errors } = queries;
  text.histogram(
    'db_client_operation_duration_seconds',
    'Duration of queries from the call to its end, in seconds.',
    buckets.durations.map((one) => ({
      labels: labelsOf(one.node, { intent: one.intent }),
      buckets: one.buckets,
    })),
  );
  text.counter(
    'db_client_operation_errors_total',
    'Queries that failed, by error code and SQLSTATE.',
    errors.map(({ code, sqlState, count }) => ({
      labels: {
        db_system_name: 'postgresql',
        error_type: code,
        db_response_status_code: sqlState ?? '',
      },
      value: count,
    })),
  );
  text.histogram('db_client_response_returned_rows', 'Rows returned or changed by a query.', [
    { labels: { db_system_name: 'postgresql' }, buckets: buckets.rows },
  ]);
  text.histogram(
    'db_client_connection_wait_time_seconds',
    'Time that queries waited for a connection, in seconds.',
    histograms(buckets.waits, labelsOf),
  );
}

function histograms(
  series: ReadonlyArray<{ node: string; buckets: HistogramSample['buckets'] }>,
  labelsOf: LabelsOf,
): HistogramSample[] {
  return series.map(({ node, buckets }) => ({ labels: labelsOf(node), buckets }));
}

/** Connections of each pool. */
export function writePools(text: PrometheusText, scrape: Scrape, labelsOf: LabelsOf): void {
  const each = (value: (pool: PoolStats) => number): Sample[] =>
    scrape.pools.map((pool) => ({ labels: labelsOf(pool.node), value: value(pool) }));
  text.gauge(
    'db_client_connection_count',
    'Open connections by state.',
    scrape.pools.flatMap(({ node, idle, leased }) => [
      { labels: labelsOf(node, { db_client_connection_state: 'idle' }), value: idle },
      { labels: labelsOf(node, { db_client_connection_state: 'used' }), value: leased },
    ]),
  );
  const gauges: ReadonlyArray<[string, string, (pool: PoolStats) => number]> = [
    ['max', 'Most connections allowed.', ({ max }) => max],
    ['idle_min', 'Connections kept open when idle.', ({ min }) => min],
    ['pending_requests', 'Callers that wait for a connection.', ({ waiting }) => waiting],
    ['connecting', 'Connections that are being opened.', ({ connecting }) => connecting],
    ['suspended', 'Whether new work waits: 1 or 0.', ({ isSuspended }) => Number(isSuspended)],
    ['shared', 'Connections that fast reads share.', ({ lane }) => lane.connections],
  ];
  for (const [name, help, value] of gauges) {
    text.gauge(`db_client_connection_${name}`, help, each(value));
  }
  const counters: ReadonlyArray<[string, string, (pool: PoolStats) => number]> = [
    ['timeouts', 'Waits that ended without a connection.', (pool) => pool.acquireTimeouts],
    ['create_failures', 'Connections that failed to open.', (pool) => pool.connectFailures],
    ['created', 'Connections opened.', ({ opened }) => opened],
    ['closed', 'Connections closed.', ({ closed }) => closed],
    ['leaks', 'Leases held longer than the leak limit.', ({ leaks }) => leaks],
    ['shared_reads', 'Reads that went by a shared connection.', ({ lane }) => lane.sent],
    ['rescued_reads', 'Reads sent again from behind a slow one.', ({ lane }) => lane.rescued],
  ];
  for (const [name, help, value] of counters) {
    text.counter(`db_client_connection_${name}_total`, help, each(value));
  }
  text.counter(
    'db_client_connection_refused_total',
    'Callers sent away: the queue was full, or slow for too long, or their wait was a deadlock.',
    scrape.pools.flatMap(({ node, refused, shed, deadlocks }) => [
      { labels: labelsOf(node, { reason: 'full' }), value: refused },
      { labels: labelsOf(node, { reason: 'slow' }), value: shed },
      { labels: labelsOf(node, { reason: 'deadlock' }), value: deadlocks },
    ]),
  );
  text.histogram(
    'db_client_connection_create_time_seconds',
    'Time to open a connection, in seconds.',
    histograms(scrape.createTimes, labelsOf),
  );
}

/** Role, lag and circuit of each node. */
export function writeNodes(
  text: PrometheusText,
  { nodes, circuits }: Scrape,
  labelsOf: LabelsOf,
): void {
  const each = (value: (node: ScrapedNode) => number | undefined): Sample[] =>
    nodes.map((node) => ({ labels: labelsOf(node.name), value: value(node) }));
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : ms / 1_000;
  text.gauge(
    'db_client_node_up',
    'Whether the node answered its last probe.',
    each(({ isReachable }) => Number(isReachable)),
  );
  text.gauge(
    'db_client_node_role',
    'The role of the node: 1 for the one it has.',
    nodes.flatMap(({ name, role }) =>
      ROLES.map((known) => ({
        labels: labelsOf(name, { role: known }),
        value: Number(role === known),
      })),
    ),
  );
  text.gauge(
    'db_client_node_lag_seconds',
    'How far a replica is behind, in seconds.',
    each(({ lagMs }) => seconds(lagMs)),
  );
  text.gauge(
    'db_client_node_lag_bytes',
    'Write-ahead log that a replica has yet to replay, in bytes.',
    each(({ lagBytes }) => lagBytes),
  );
  text.gauge(
    'db_client_node_probe_seconds',
    'Round trip of the last probe, in seconds.',
    each(({ latencyMs }) => seconds(latencyMs)),
  );
  text.gauge(
    'db_client_circuit_state',
    'The state of the circuit: 1 for the one it is in.',
    circuits.flatMap(({ node, state }) =>
      CIRCUIT_STATES.map((known) => ({
        labels: labelsOf(node, { state: known }),
        value: Number(state === known),
      })),
    ),
  );
}

/** Named as prom-client's default metrics, so that existing boards show them. */
export function writeProcess(
  text: PrometheusText,
  { process: figures, eventLoopLag, atMs }: Scrape,
): void {
  const one = (value: number | undefined): Sample[] => [{ labels: {}, value }];
  text.counter(
    'process_cpu_user_seconds_total',
    'User CPU time, in seconds.',
    one(figures.cpuUserSeconds),
  );
  text.counter(
    'process_cpu_system_seconds_total',
    'System CPU time, in seconds.',
    one(figures.cpuSystemSeconds),
  );
  text.counter(
    'process_cpu_seconds_total',
    'User and system CPU time, in seconds.',
    one(figures.cpuUserSeconds + figures.cpuSystemSeconds),
  );
  const gauges: ReadonlyArray<[string, string, number | undefined]> = [
    [
      'process_start_time_seconds',
      'Start of the process, in seconds since 1970.',
      atMs / 1_000 - figures.uptimeSeconds,
    ],
    ['process_resident_memory_bytes', 'Resident memory, in bytes.', figures.residentBytes],
    ['nodejs_heap_size_used_bytes', 'Heap in use, in bytes.', figures.heapUsedBytes],
    ['nodejs_heap_size_total_bytes', 'Heap reserved, in bytes.', figures.heapTotalBytes],
    ['nodejs_external_memory_bytes', 'Memory outside the heap, in bytes.', figures.externalBytes],
    [
      'nodejs_eventloop_lag_mean_seconds',
      'Mean lag of timers, in seconds.',
      eventLoopLag && eventLoopLag.meanMs / 1_000,
    ],
    [
      'nodejs_eventloop_lag_p99_seconds',
      '99th percentile of the lag, in seconds.',
      eventLoopLag && eventLoopLag.p99Ms / 1_000,
    ],
    [
      'nodejs_eventloop_lag_max_seconds',
      'Longest lag, in seconds.',
      eventLoopLag && eventLoopLag.maxMs / 1_000,
    ],
  ];
  for (const [name, help, value] of gauges) text.gauge(name, help, one(value));
}
