// What each check concludes, as tables; and which conclusions end readiness.
import { describe, expect, it } from '@jest/globals';
import { circuitSnapshot, nodeSnapshot, poolStats } from '../../testing/fake-database-view.js';
import type { NodeSnapshot } from '../database-view.js';
import { HEALTH_DEFAULTS } from './health.options.js';
import type { HealthOptions } from './health.options.js';
import { failedChecks, judge, overallState, readinessStatus } from './health.rules.js';
import type { HealthFacts } from './health.rules.js';
import type { HealthCheckName, HealthState, Readiness } from './health.types.js';

const HEALTHY: HealthFacts = {
  nodes: [nodeSnapshot()],
  pools: [poolStats()],
  circuits: [circuitSnapshot()],
  failuresOf: () => 0,
  primaryMissingMs: 0,
  p95Ms: 5,
};

const replica = (change: Partial<NodeSnapshot> = {}): NodeSnapshot =>
  nodeSnapshot({ name: 'replica-1', role: 'replica', ...change });

const lost = (change: Partial<NodeSnapshot> = {}): NodeSnapshot =>
  nodeSnapshot({ isReachable: false, lastError: 'connect ECONNREFUSED db.internal', ...change });

type Row = readonly [
  what: string,
  check: HealthCheckName,
  state: HealthState,
  facts: Partial<HealthFacts>,
  options?: Partial<HealthOptions>,
];

const rows: readonly Row[] = [
  ['the primary answers', 'connection', 'up', {}],
  [
    'nothing was probed yet',
    'connection',
    'unknown',
    { nodes: [nodeSnapshot({ ageMs: undefined })] },
  ],
  ['there is no node', 'connection', 'unknown', { nodes: [] }],
  [
    'the last probe is too old',
    'connection',
    'unknown',
    { nodes: [nodeSnapshot({ ageMs: 15_001 })] },
  ],
  [
    'the last probe is just not too old',
    'connection',
    'up',
    { nodes: [nodeSnapshot({ ageMs: 15_000 })] },
  ],
  ['one probe failed', 'connection', 'degraded', { nodes: [lost()], failuresOf: () => 1 }],
  ['two probes failed', 'connection', 'degraded', { nodes: [lost()], failuresOf: () => 2 }],
  ['three probes failed', 'connection', 'down', { nodes: [lost()], failuresOf: () => 3 }],
  [
    'one probe failed and one is enough',
    'connection',
    'down',
    { nodes: [lost()], failuresOf: () => 1 },
    { failuresInARow: 1 },
  ],
  [
    'nobody counted the failures',
    'connection',
    'degraded',
    { nodes: [lost()], failuresOf: () => 0 },
  ],
  [
    'it was never reached',
    'connection',
    'down',
    { nodes: [lost({ serverVersion: undefined })], failuresOf: () => 1 },
  ],
  [
    'the primary is lost, a replica answers',
    'connection',
    'down',
    { nodes: [lost(), replica()], failuresOf: () => 3 },
  ],
  [
    'the same, and reading is enough',
    'connection',
    'up',
    { nodes: [lost(), replica()], failuresOf: () => 3 },
    { requirePrimary: false },
  ],
  [
    'the old primary is lost, the new one answers',
    'connection',
    'up',
    { nodes: [lost(), nodeSnapshot({ name: 'node-2' })], failuresOf: () => 9 },
  ],

  ['a primary answers', 'role', 'up', {}],
  ['no node answers', 'role', 'unknown', { nodes: [lost()] }],
  [
    'the primary answered too long ago',
    'role',
    'unknown',
    { nodes: [nodeSnapshot({ ageMs: 15_001 })] },
  ],
  [
    'all that answer are replicas, for a moment',
    'role',
    'degraded',
    { nodes: [replica()], primaryMissingMs: 10_000 },
  ],
  [
    'all that answer are replicas, for long',
    'role',
    'down',
    { nodes: [replica()], primaryMissingMs: 10_001 },
  ],
  [
    'the same, and reading is enough',
    'role',
    'up',
    { nodes: [replica()], primaryMissingMs: 99_999 },
    { requirePrimary: false },
  ],

  ['a pool has room', 'pool', 'up', {}],
  ['a pool is at 79 %', 'pool', 'up', { pools: [poolStats({ leased: 79, max: 100 })] }],
  ['a pool is at 80 %', 'pool', 'degraded', { pools: [poolStats({ leased: 80, max: 100 })] }],
  ['callers wait', 'pool', 'degraded', { pools: [poolStats({ leased: 20, waiting: 3 })] }],
  [
    'a pool is full and that is allowed',
    'pool',
    'degraded',
    { pools: [poolStats({ leased: 20, waiting: 1 })] },
    { saturationRatio: 1 },
  ],
  [
    'the pool of a replica is full',
    'pool',
    'degraded',
    { pools: [poolStats(), poolStats({ node: 'replica-1', leased: 20 })] },
  ],
  [
    'a pool has no connection',
    'pool',
    'degraded',
    { pools: [poolStats({ total: 0, leased: 0, lastConnectError: 'x' })] },
  ],
  ['there is no pool', 'pool', 'unknown', { pools: [] }],

  ['probes are quick', 'latency', 'up', { nodes: [nodeSnapshot({ latencyMs: 250 })] }],
  ['probes are slow', 'latency', 'degraded', { nodes: [nodeSnapshot({ latencyMs: 251 })] }],
  ['queries are slow', 'latency', 'degraded', { p95Ms: 1_001 }],
  ['queries are slow and nobody minds', 'latency', 'up', { p95Ms: 1_001 }, { maxP95Ms: 0 }],
  ['there were no queries', 'latency', 'up', { p95Ms: undefined }],
  ['no probe was answered', 'latency', 'unknown', { nodes: [lost()] }],
  [
    'only a replica is slow',
    'latency',
    'up',
    { nodes: [nodeSnapshot(), replica({ latencyMs: 900 })] },
  ],

  ['there is no replica', 'replicas', 'up', {}],
  ['a replica keeps up', 'replicas', 'up', { nodes: [nodeSnapshot(), replica({ lagMs: 10_000 })] }],
  [
    'a replica is late',
    'replicas',
    'degraded',
    { nodes: [nodeSnapshot(), replica({ lagMs: 10_001 })] },
  ],
  [
    'a replica is behind by bytes',
    'replicas',
    'degraded',
    { nodes: [nodeSnapshot(), replica({ lagBytes: 70_000_000 })] },
  ],
  [
    'the same, and bytes are not judged',
    'replicas',
    'up',
    { nodes: [nodeSnapshot(), replica({ lagBytes: 70_000_000 })] },
    { maxLagBytes: 0 },
  ],
  [
    'a replica is silent',
    'replicas',
    'degraded',
    { nodes: [nodeSnapshot(), replica({ isReachable: false })] },
  ],
  [
    'a replica was seen too long ago',
    'replicas',
    'degraded',
    { nodes: [nodeSnapshot(), replica({ ageMs: 60_000 })] },
  ],
  [
    'no replica was probed yet',
    'replicas',
    'unknown',
    { nodes: [nodeSnapshot(), replica({ ageMs: undefined, isReachable: false })] },
  ],

  ['every circuit is closed', 'circuit', 'up', {}],
  ['a circuit is open', 'circuit', 'degraded', { circuits: [circuitSnapshot({ state: 'open' })] }],
  [
    'a circuit is half-open',
    'circuit',
    'degraded',
    { circuits: [circuitSnapshot({ state: 'half-open' })] },
  ],
];

describe('checks', () => {
  it.each(rows)('%s: %s is %s', (_what, check, state, facts, options = {}) => {
    const verdicts = judge({ ...HEALTHY, ...facts }, { ...HEALTH_DEFAULTS, ...options });
    expect(verdicts[check].state).toBe(state);
  });

  it('give a reason each, without a host or an error text', () => {
    for (const [, , , facts] of rows) {
      const verdicts = Object.values(judge({ ...HEALTHY, ...facts }, HEALTH_DEFAULTS));
      for (const { reason } of verdicts) expect(reason).toMatch(/^[A-Z0-9].*\.$/);
      expect(JSON.stringify(verdicts)).not.toMatch(/db\.internal|ECONNREFUSED|replica-1/);
    }
  });

  it('tell the age of what they rest on', () => {
    const nodes = [nodeSnapshot({ ageMs: 700 }), replica({ ageMs: 300 })];
    const { connection, replicas, pool } = judge({ ...HEALTHY, nodes }, HEALTH_DEFAULTS);
    expect([connection.ageMs, replicas.ageMs, pool.ageMs]).toEqual([700, 300, 0]);
  });

  it('give figures of the fullest pool and of the latest replica', () => {
    const facts = {
      pools: [poolStats(), poolStats({ node: 'replica-1', leased: 20, idle: 0, waiting: 4 })],
      nodes: [
        nodeSnapshot(),
        replica({ lagMs: 20, lagBytes: 5 }),
        replica({ lagMs: 9, lagBytes: 8 }),
      ],
    };
    const { pool, replicas } = judge({ ...HEALTHY, ...facts }, HEALTH_DEFAULTS);
    expect(pool.figures).toEqual({ leased: 20, idle: 0, waiting: 4, max: 20, utilizationRatio: 1 });
    expect(replicas.figures).toEqual({ replicas: 2, usable: 2, maxLagMs: 20, maxLagBytes: 8 });
  });
});

describe('the whole', () => {
  type Whole = readonly [
    string,
    Partial<HealthFacts>,
    HealthState,
    HealthCheckName[],
    Readiness['status'],
  ];
  const down = { nodes: [lost()], failuresOf: () => 3 };
  it.each<Whole>([
    ['all is well', {}, 'up', [], 'ok'],
    [
      'the pool is saturated',
      { pools: [poolStats({ leased: 20, waiting: 50 })] },
      'degraded',
      [],
      'degraded',
    ],
    [
      'a circuit is open',
      { circuits: [circuitSnapshot({ state: 'open' })] },
      'degraded',
      [],
      'degraded',
    ],
    [
      'a replica is lost',
      { nodes: [nodeSnapshot(), replica({ isReachable: false })] },
      'degraded',
      [],
      'degraded',
    ],
    ['a probe failed', { nodes: [lost()], failuresOf: () => 1 }, 'degraded', [], 'degraded'],
    ['the connection is down', down, 'down', ['connection'], 'error'],
    [
      'nothing is known',
      { nodes: [nodeSnapshot({ ageMs: undefined })] },
      'unknown',
      ['connection'],
      'error',
    ],
    [
      'there is no primary',
      { nodes: [replica()], primaryMissingMs: 60_000 },
      'down',
      ['role'],
      'error',
    ],
  ])('%s', (_what, facts, state, failed, status) => {
    const verdicts = judge({ ...HEALTHY, ...facts }, HEALTH_DEFAULTS);
    expect(overallState(verdicts)).toBe(state);
    expect(failedChecks(verdicts)).toEqual(failed);
    expect(readinessStatus(state, failed, false)).toBe(status);
    expect(readinessStatus(state, failed, true)).toBe('shutting_down');
  });
});
