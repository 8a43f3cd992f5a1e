// What is known of one server: role, lag, reachability, and what is told about changes.
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { EventMap } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
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
    load: () => 5,
    isPassable: () => true,
    isWatched: () => isWatched,
    suspect: () => care.push('suspect'),
    sever: () => care.push('sever'),
    slowStartMs: 1_000,
    evict: (which) => care.push(`evict ${which}`),
  });
}

const answer = (change: Partial<ProbeAnswer> = {}): ProbeAnswer => ({
  role: 'replica',
  lsn: 100n,
  endLsn: 100n,
  askedAtMs: 0,
  receivedLsn: 100n,
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
      { role: 'primary', receivedLsn: undefined, replayAgeMs: undefined },
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
      { lsn: 100n, receivedLsn: 100n },
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
      { receivedLsn: 100n },
      undefined,
      0,
      0,
    ],
    [
      'without a primary a replica may be behind as well',
      { receivedLsn: 130n },
      undefined,
      5_000,
      30,
    ],
    [
      'a replica that has received nothing since its start has what it replayed',
      { receivedLsn: undefined },
      undefined,
      0,
      0,
    ],
    [
      'and so has one that receives a piece again that it has replayed',
      { receivedLsn: 90n },
      undefined,
      0,
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

describe('what it has reached', () => {
  const position = { systemId: '7', timeline: 3, lsn: 100n };

  it.each<[string, Partial<ProbeAnswer>, boolean]>([
    ['the position itself', { timeline: 3 }, true],
    ['a later one', { timeline: 3, endLsn: 900n }, true],
    ['an earlier one', { timeline: 3, endLsn: 99n }, false],
    ['the same number on a later timeline', { timeline: 4, endLsn: 900n }, false],
    ['the same number on an earlier timeline', { timeline: 2, endLsn: 900n }, false],
    ['the same number on a timeline that it cannot name', { timeline: undefined }, false],
    ['the same number in another cluster', { timeline: 3, systemId: '8' }, false],
  ])('is told by %s', (_, change, expected) => {
    const node = build();
    expect(node.hasReached(position)).toBe(false);
    node.answered(answer(change), undefined);
    expect(node.hasReached(position)).toBe(expected);
  });

  it('follows answers between two probes, and is forgotten with the connection that told it', () => {
    const node = build();
    node.answered(answer({ timeline: 3, endLsn: 1n }), undefined);
    node.placed(answer({ timeline: 3 }));
    expect(node.hasReached(position)).toBe(true);
    // A standby that restarts opens for reading before it has replayed again what it had.
    isWatched = false;
    expect(node.hasReached(position)).toBe(false);
    expect(node.end).toBeUndefined();
  });
});

describe('a node that comes back', () => {
  it('gets a share that grows from a tenth to the whole', () => {
    const node = build();
    node.answered(answer(), undefined);
    expect(node.share).toBe(1);
    node.failed(boom);
    node.answered(answer(), undefined);
    const shares = [0, 50, 450, 500].map((ms) => {
      clock.advanceMs(ms);
      return node.share;
    });
    expect(shares).toEqual([0.1, 0.1, 0.5, 1]);
  });

  it('does so as a replica too, after it was the primary; how fast it was is forgotten', () => {
    const node = build();
    node.answered(answer({ role: 'primary', timeline: 1 }), undefined);
    node.took(500);
    node.took(100);
    expect(node.answerMs).toBe(460);
    node.answered(answer({ role: 'replica', latencyMs: 2 }), undefined);
    expect([node.share, node.answerMs]).toEqual([0.1, 2]);
  });
});
