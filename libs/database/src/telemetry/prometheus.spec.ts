// The text of a scrape: names, types, escapes, and that Prometheus could read every line of it.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import type { PoolStats } from '../pool/pool-stats.js';
import { FakeClock } from '../testing/fake-clock.js';
import { ConnectionMetrics } from './connection-metrics.js';
import { EventLoopLag } from './event-loop-lag.js';
import { PrometheusText } from './prometheus-text.js';
import { PrometheusExporter } from './prometheus.js';
import { QueryMetrics } from './query-metrics.js';
import type { ScrapedView } from './scrape.js';

const POOL: PoolStats = {
  node: 'primary',
  total: 7,
  idle: 3,
  leased: 4,
  connecting: 1,
  waiting: 2,
  max: 20,
  min: 2,
  utilizationRatio: 0.2,
  acquiredCount: 99,
  opened: 9,
  closed: 2,
  connectFailures: 5,
  acquireTimeouts: 6,
  refused: 8,
  shed: 9,
  deadlocks: 3,
  isSuspended: false,
  leaks: 1,
  lane: {
    max: 4,
    connections: 2,
    inFlight: 3,
    waiting: 1,
    sent: 500,
    batched: 100,
    stalls: 2,
    rescued: 6,
    repeated: 4,
  },
  lastConnectError: undefined,
};

const VIEW: ScrapedView = {
  nodes: () => [
    { name: 'primary', role: 'primary', isReachable: true, lagMs: 0, lagBytes: 0, latencyMs: 1.5 },
    {
      name: 'replica-1',
      role: 'replica',
      isReachable: false,
      lagMs: undefined,
      lagBytes: undefined,
      latencyMs: undefined,
    },
  ],
  pools: () => [POOL],
  circuits: () => [{ node: 'primary', state: 'half-open' }],
};

interface Family {
  readonly type: string;
  readonly series: Map<string, number>;
}

/** Reads the text as Prometheus does, and throws on what it would refuse. */
function parse(text: string): Map<string, Family> {
  expect(text.endsWith('\n')).toBe(true);
  const families = new Map<string, Family>();
  let current: [string, Family] | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (head !== null) {
      const [, kind, name = '', rest = ''] = head;
      if (kind === 'HELP') continue;
      if (families.has(name)) throw new Error(`twice: ${name}`);
      current = [name, { type: rest, series: new Map() }];
      families.set(...current);
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$/.exec(
        line,
      );
    if (sample === null || current === undefined) throw new Error(`not understood: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const [family, { type, series }] = current;
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (!suffixes.some((suffix) => name === family + suffix)) throw new Error(`stray: ${line}`);
    if (series.has(name + labels)) throw new Error(`twice: ${line}`);
    series.set(name + labels, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value));
    if (Number.isNaN(Number(value))) throw new Error(`no number: ${line}`);
  }
  return families;
}

describe('PrometheusExporter', () => {
  let clock: FakeClock;
  let events: Events;
  let queries: QueryMetrics;
  let connections: ConnectionMetrics;
  let lag: EventLoopLag;
  const exporter = (instance?: string): PrometheusExporter =>
    new PrometheusExporter({ instance, view: VIEW, queries, connections, lag, clock });

  beforeEach(() => {
    clock = new FakeClock();
    events = new Events();
    queries = new QueryMetrics(events, clock, 60_000);
    connections = new ConnectionMetrics(events);
    lag = new EventLoopLag(clock, 60_000);
    queries.start();
    connections.start();
    const query = {
      instance: 'default',
      node: 'primary',
      intent: 'read',
      text: 'SELECT 1',
      pinned: false,
      durationMs: 7,
      waitMs: 0.5,
      serverMs: 6,
      attempts: 1,
      rowCount: 3,
      errorCode: undefined,
      sqlState: undefined,
      endedAtMs: 0,
    } as const;
    events.emit('query:done', { ...query, outcome: 'ok' });
    const failed = { outcome: 'error', errorCode: 'DB_QUERY', sqlState: '42P01' } as const;
    events.emit('query:done', { ...query, ...failed });
    events.emit('connection:opened', { node: 'primary', backendPid: 1, tookMs: 20 });
  });

  const POOL_LABELS = 'db_system_name="postgresql",db_client_connection_pool_name="primary"';

  it.each([
    [
      'db_client_operation_duration_seconds',
      'histogram',
      `_bucket{${POOL_LABELS},intent="read",le="0.005"}`,
      0,
    ],
    [
      'db_client_operation_duration_seconds',
      'histogram',
      `_bucket{${POOL_LABELS},intent="read",le="0.01"}`,
      2,
    ],
    [
      'db_client_operation_duration_seconds',
      'histogram',
      `_bucket{${POOL_LABELS},intent="read",le="+Inf"}`,
      2,
    ],
    [
      'db_client_operation_duration_seconds',
      'histogram',
      `_sum{${POOL_LABELS},intent="read"}`,
      0.014,
    ],
    [
      'db_client_operation_duration_seconds',
      'histogram',
      `_count{${POOL_LABELS},intent="read"}`,
      2,
    ],
    [
      'db_client_operation_errors_total',
      'counter',
      '{db_system_name="postgresql",error_type="DB_QUERY",db_response_status_code="42P01"}',
      1,
    ],
    [
      'db_client_response_returned_rows',
      'histogram',
      '_bucket{db_system_name="postgresql",le="5"}',
      1,
    ],
    ['db_client_connection_wait_time_seconds', 'histogram', `_count{${POOL_LABELS}}`, 2],
    [
      'db_client_connection_create_time_seconds',
      'histogram',
      `_bucket{${POOL_LABELS},le="0.05"}`,
      1,
    ],
    [
      'db_client_connection_count',
      'gauge',
      `{${POOL_LABELS},db_client_connection_state="idle"}`,
      3,
    ],
    [
      'db_client_connection_count',
      'gauge',
      `{${POOL_LABELS},db_client_connection_state="used"}`,
      4,
    ],
    ['db_client_connection_max', 'gauge', `{${POOL_LABELS}}`, 20],
    ['db_client_connection_idle_min', 'gauge', `{${POOL_LABELS}}`, 2],
    ['db_client_connection_pending_requests', 'gauge', `{${POOL_LABELS}}`, 2],
    ['db_client_connection_timeouts_total', 'counter', `{${POOL_LABELS}}`, 6],
    ['db_client_node_up', 'gauge', `{${POOL_LABELS.replace('"primary"', '"replica-1"')}}`, 0],
    ['db_client_node_role', 'gauge', `{${POOL_LABELS},role="primary"}`, 1],
    ['db_client_node_role', 'gauge', `{${POOL_LABELS},role="replica"}`, 0],
    ['db_client_node_probe_seconds', 'gauge', `{${POOL_LABELS}}`, 0.0015],
    ['db_client_circuit_state', 'gauge', `{${POOL_LABELS},state="half-open"}`, 1],
    ['db_client_circuit_state', 'gauge', `{${POOL_LABELS},state="open"}`, 0],
  ])('tells %s as a %s with %s', (name, type, rest, value) => {
    const family = parse(exporter().text()).get(name);
    expect(family?.type).toBe(type);
    expect(family?.series.get(name + rest)).toBeCloseTo(value, 9);
  });

  it('tells what the process takes, under the names that boards know', () => {
    const families = parse(exporter().text());
    const start = families.get('process_start_time_seconds')?.series.values().next().value;
    expect(start).toBeLessThanOrEqual(clock.nowMs() / 1_000);
    expect(families.get('process_resident_memory_bytes')?.series.size).toBe(1);
    expect(families.has('nodejs_eventloop_lag_p99_seconds')).toBe(false);
  });

  it('leaves out what is not known: the lag of a node that does not answer', () => {
    const lagSeconds = parse(exporter().text()).get('db_client_node_lag_seconds');
    expect([...(lagSeconds?.series.keys() ?? [])].join()).not.toContain('replica-1');
  });

  it('puts the name of a named instance before its pools', () => {
    expect(exporter('analytics').text()).toContain('pool_name="analytics.primary"');
  });

  it('tells no query figures when none are measured', () => {
    queries.stop();
    expect(exporter().text()).not.toContain('db_client_operation');
  });
});

describe('PrometheusText', () => {
  it('escapes what labels and help may hold', () => {
    const text = new PrometheusText();
    text.gauge('a', 'one\ntwo \\ "three"', [{ labels: { l: 'q"b\\n\nx' }, value: 1 }]);
    expect(text.toString()).toBe(
      '# HELP a one\\ntwo \\\\ "three"\n# TYPE a gauge\na{l="q\\"b\\\\n\\nx"} 1\n',
    );
  });

  it('writes infinities as Prometheus does, and no family without samples', () => {
    const text = new PrometheusText();
    text.gauge('b', 'B.', [{ labels: {}, value: Number.POSITIVE_INFINITY }]);
    text.counter('c_total', 'C.', [{ labels: {}, value: undefined }]);
    text.histogram('d', 'D.', []);
    expect(text.toString()).toBe('# HELP b B.\n# TYPE b gauge\nb +Inf\n');
  });
});
