// What is known of one server: role, lag, reachability, and what is told about changes.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EventMap } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
import type { PoolStats } from '../pool/pool-stats.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { ProbeAnswer } from './node-probe.js';
import { Node } from './node.js';
import type { DeclaredRole } from './node.js';

const boom = new Error('ECONNREFUSED');

let clock: FakeClock;
let told: Array<readonly [string, unknown]>;
let care: string[];
let isWatched: boolean;

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  care = [];
  isWatched = true;
});

function build(declaredRole: DeclaredRole = 'auto'): Node {
  const events = new Events();
  const names: Array<keyof EventMap> = [
    'node:connected',
    'node:disconnected',
    'node:reconnected',
    'node:reconnect-failed',
    'node:role-changed',
  ];
  for (const name of names) events.on(name, (facts) => told.push([name, facts]));
  return new Node({
    name: 'a',
    address: 'db:5432/app',
    declaredRole,
    clock,
    events,
    enter: () => undefined,
    poolStats: () => ({ leased: 3, waiting: 2 }) as PoolStats,
    isPassable: () => true,
    isWatched: () => isWatched,
    suspect: () => care.push('suspect'),
    sever: () => care.push('sever'),
  });
}

const answer = (change: Partial<ProbeAnswer> = {}): ProbeAnswer => ({
  role: 'replica',
  lsn: 100n,
  endLsn: 100n,
  askedAtMs: 0,
  hasReplayedAll: true,
  replayAgeMs: 5_000,
  timeline: undefined,
  systemId: '7',
  serverVersion: 180_000,
  latencyMs: 2,
  ...change,
});

describe('before the first probe', () => {
  it.each([
    ['auto', 'unknown'],
    ['primary', 'primary'],
    ['replica', 'replica'],
  ] as const)('a node declared %s is %s, and was not reached', (declared, role) => {
    expect(build(declared).snapshot()).toEqual({
      name: 'a',
      address: 'db:5432/app',
      role,
      isReachable: false,
      lagMs: undefined,
      lagBytes: undefined,
      latencyMs: undefined,
      ageMs: undefined,
      serverVersion: undefined,
      lastError: undefined,
    });
  });
});

describe('lag', () => {
  it.each<
    [string, Partial<ProbeAnswer>, bigint | undefined, number | undefined, number | undefined]
  >([
    [
      'a primary has none',
      { role: 'primary', hasReplayedAll: false, replayAgeMs: undefined },
      500n,
      0,
      0,
    ],
    [
      'a replica that has replayed the primary’s position has none, however old its last transaction',
      { lsn: 500n },
      500n,
      0,
      0,
    ],
    ['a replica beyond the primary’s last known position has none', { lsn: 501n }, 500n, 0, 0],
    [
      'a replica that is behind lags by the age of what it replayed last',
      { lsn: 100n },
      500n,
      5_000,
      400,
    ],
    [
      'so it does when it has replayed all it received: more may be on the way',
      { lsn: 100n, hasReplayedAll: true },
      500n,
      5_000,
      400,
    ],
    [
      'a replica that never replayed anything lags by nobody knows what',
      { lsn: 100n, replayAgeMs: undefined },
      500n,
      undefined,
      400,
    ],
    [
      'without a primary it is what the replica received that counts',
      { hasReplayedAll: true },
      undefined,
      0,
      0,
    ],
    [
      'without a primary a replica may be behind as well',
      { hasReplayedAll: false },
      undefined,
      5_000,
      0,
    ],
  ])('%s', (_, change, primaryLsn, lagMs, lagBytes) => {
    const node = build();
    node.answered(answer(change), primaryLsn);
    expect(node.snapshot()).toMatchObject({ lagMs, lagBytes });
  });

  it('is unknown while a replica cannot be reached, and 0 on a primary for ever', () => {
    const replica = build();
    replica.answered(answer(), 100n);
    replica.failed(boom);
    expect(replica.snapshot()).toMatchObject({ lagMs: undefined, lagBytes: undefined });
    const primary = build('primary');
    primary.answered(answer({ role: 'primary' }), undefined);
    primary.failed(boom);
    expect(primary.lagMs).toBe(0);
  });
});

describe('what is told', () => {
  it('is the first connection, the loss, each further failure, and the return with its time', () => {
    const node = build('primary');
    node.answered(answer({ role: 'primary' }), undefined);
    node.answered(answer({ role: 'primary' }), undefined);
    clock.advanceMs(1_000);
    node.failed(boom);
    clock.advanceMs(1_000);
    node.failed(boom);
    node.failed(boom);
    clock.advanceMs(500);
    node.answered(answer({ role: 'primary' }), undefined);
    node.failed(boom);
    node.failed(boom);
    expect(told).toEqual([
      ['node:connected', { node: 'a', role: 'primary' }],
      ['node:disconnected', { node: 'a', error: boom }],
      ['node:reconnect-failed', { node: 'a', attempt: 1, error: boom }],
      ['node:reconnect-failed', { node: 'a', attempt: 2, error: boom }],
      ['node:reconnected', { node: 'a', downMs: 1_500 }],
      ['node:disconnected', { node: 'a', error: boom }],
      ['node:reconnect-failed', { node: 'a', attempt: 1, error: boom }],
    ]);
  });

  it('is no loss of what was never there', () => {
    const node = build();
    node.failed(boom);
    node.failed(boom);
    node.answered(answer(), undefined);
    expect(told).toEqual([
      ['node:reconnect-failed', { node: 'a', attempt: 1, error: boom }],
      ['node:reconnect-failed', { node: 'a', attempt: 2, error: boom }],
      ['node:role-changed', { node: 'a', from: 'unknown', to: 'replica' }],
      ['node:connected', { node: 'a', role: 'replica' }],
    ]);
  });

  it('is every change of the role, by an answer or by a refused write', () => {
    const node = build('primary');
    node.answered(answer({ role: 'primary' }), undefined);
    node.demoted();
    node.demoted();
    node.answered(answer({ role: 'primary' }), undefined);
    node.answered(answer({ role: 'replica' }), undefined);
    expect(told.filter(([name]) => name === 'node:role-changed').map(([, facts]) => facts)).toEqual(
      [
        { node: 'a', from: 'primary', to: 'replica' },
        { node: 'a', from: 'replica', to: 'primary' },
        { node: 'a', from: 'primary', to: 'replica' },
      ],
    );
  });
});

describe('a node that fails', () => {
  it('keeps its role, is not reachable, and says why', () => {
    const node = build();
    node.answered(answer({ role: 'primary', timeline: 3 }), undefined);
    expect(node.isReachable).toBe(true);
    node.failed(boom);
    expect(node.isReachable).toBe(false);
    expect(node.lastFailure).toBe(boom);
    expect(node.snapshot()).toMatchObject({ role: 'primary', lastError: 'ECONNREFUSED' });
    expect([node.timeline, node.lsn, node.systemId]).toEqual([3, 100n, '7']);
    node.answered(answer({ role: 'primary' }), undefined);
    expect([node.isReachable, node.lastFailure]).toEqual([true, undefined]);
  });

  it('is suspected the first time, and has its sockets cut from the second time on', () => {
    const node = build();
    node.failed(boom);
    node.failed(boom);
    node.failed(boom);
    expect(care).toEqual(['suspect', 'sever', 'sever']);
    node.answered(answer(), undefined);
    node.failed(boom);
    expect(care.at(-1)).toBe('suspect');
  });
});

describe('the snapshot', () => {
  it('tells how old its knowledge is', () => {
    const node = build();
    node.answered(answer({ latencyMs: 4 }), undefined);
    clock.advanceMs(700);
    expect(node.snapshot()).toMatchObject({ ageMs: 700, latencyMs: 4, serverVersion: 180_000 });
    node.failed(boom);
    expect(node.snapshot().ageMs).toBe(0);
  });

  it('has callers in flight: those it serves and those it lets wait', () => {
    expect(build().inFlight).toBe(5);
  });
});
