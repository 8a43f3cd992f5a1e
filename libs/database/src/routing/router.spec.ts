// Pure choice: who takes writes, who may answer a read.
import { describe, expect, it } from '@jest/globals';
import { chooseForRead, choosePrimary, chooseReplica, isEligible } from './router.js';
import type { Node } from './node.js';

/** A node as the router sees it: a healthy replica, unless `change` says otherwise. */
function node(name: string, change: Partial<Node> = {}): Node {
  return {
    name,
    role: 'replica',
    declaredRole: 'auto',
    isReachable: true,
    isPassable: true,
    lagMs: 0,
    lagBytes: 0,
    inFlight: 0,
    answerMs: 1,
    share: 1,
    timeline: 0,
    ...change,
  } as Node;
}

const primary = (name: string, change: Partial<Node> = {}): Node =>
  node(name, { role: 'primary', timeline: 1, ...change });

describe('the primary', () => {
  const unknown = node('u', { role: 'unknown' });

  it.each<[string, Node[], string | undefined]>([
    ['is nobody where nobody says so', [node('a'), unknown], undefined],
    ['is nobody among no nodes', [], undefined],
    ['is the one that says so', [node('a'), primary('b'), unknown], 'b'],
    [
      'is on the newest timeline: an old one that comes back is not',
      [primary('old', { timeline: 3 }), primary('new', { timeline: 4 })],
      'new',
    ],
    [
      'is not the declared one on an older timeline',
      [
        primary('old', { declaredRole: 'primary', timeline: 1 }),
        primary('new', { declaredRole: 'replica', timeline: 2 }),
      ],
      'new',
    ],
    [
      'is the declared one between equals',
      [primary('a', { timeline: 2 }), primary('b', { declaredRole: 'primary', timeline: 2 })],
      'b',
    ],
    ['is the first one between equals of the same kind', [primary('a'), primary('b')], 'a'],
    [
      'is the declared one before any node has spoken',
      [node('a'), primary('b', { declaredRole: 'primary', timeline: 0 })],
      'b',
    ],
    [
      'is whoever has spoken, not the declared one that never did',
      [primary('a', { declaredRole: 'primary', timeline: 0 }), primary('b', { timeline: 1 })],
      'b',
    ],
    [
      'stays the one it was while it cannot be reached and nobody else says so',
      [primary('a', { isReachable: false }), node('b')],
      'a',
    ],
    [
      'is the promoted one when the old one cannot be reached',
      [primary('a', { isReachable: false, timeline: 7 }), primary('b', { timeline: 8 })],
      'b',
    ],
  ])('%s', (_, nodes, name) => {
    expect(choosePrimary(nodes)?.name).toBe(name);
    expect(choosePrimary(nodes.toReversed())?.name ?? undefined).toBe(
      name === 'a' && _.startsWith('is the first') ? 'b' : name,
    );
  });
});

it('between equals the present primary stays; a newer timeline replaces it', () => {
  const [a, b, newer] = [primary('a'), primary('b'), primary('c', { timeline: 2 })] as const;
  expect(choosePrimary([a, b], b)?.name).toBe('b');
  expect(choosePrimary([b, a], a)?.name).toBe('a');
  expect(choosePrimary([a, newer, b], b)?.name).toBe('c');
});

describe('a replica that may answer', () => {
  const rule = { maxLagMs: 1_000, tried: [] };

  it.each<[string, Partial<Node>, boolean]>([
    ['is healthy and current', {}, true],
    ['may lag a little', { lagMs: 1_000 }, true],
    ['lags too much', { lagMs: 1_000.5 }, false],
    ['has an unknown lag', { lagMs: undefined }, false],
    ['was not reached', { isReachable: false }, false],
    ['has an open circuit', { isPassable: false }, false],
  ])('%s', (_, change, isFit) => {
    expect(isEligible(node('a', change), rule)).toBe(isFit);
  });

  it('has not failed this call before', () => {
    expect(isEligible(node('a'), { ...rule, tried: ['b'] })).toBe(true);
    expect(isEligible(node('a'), { ...rule, tried: ['b', 'a'] })).toBe(false);
  });

  it('has not fallen behind at all, where no lag is allowed', () => {
    expect(isEligible(node('a', { lagMs: 0 }), { maxLagMs: 0, tried: [] })).toBe(true);
    expect(isEligible(node('a', { lagMs: 1 }), { maxLagMs: 0, tried: [] })).toBe(false);
  });
});

describe('the node for a read', () => {
  const main = primary('p');

  it.each<[string, Node[], readonly string[], string | undefined]>([
    [
      'is the replica with the least in flight',
      [node('a', { inFlight: 3 }), node('b', { inFlight: 1 }), node('c', { inFlight: 2 })],
      [],
      'b',
    ],
    [
      'is the next one when that failed',
      [node('a', { inFlight: 3 }), node('b', { inFlight: 1 })],
      ['b'],
      'a',
    ],
    ['is the primary when all failed', [node('a'), node('b')], ['a', 'b'], 'p'],
    ['is the primary when all lag', [node('a', { lagMs: 60_000 })], [], 'p'],
    ['is the primary when all are away', [node('a', { isReachable: false })], [], 'p'],
    ['is a busy replica before the primary', [node('a', { inFlight: 10_000 })], [], 'a'],
    ['is nobody when all have failed, the primary too', [node('a')], ['a', 'p'], undefined],
  ])('%s', (_, replicas, tried, name) => {
    const rule = { maxLagMs: 10_000, tried };
    expect(chooseForRead({ primary: main, replicas }, rule)?.name).toBe(name);
  });

  it('is a replica while no primary is known, or nobody', () => {
    const rule = { maxLagMs: 10_000, tried: [] };
    expect(chooseForRead({ primary: undefined, replicas: [node('a')] }, rule)?.name).toBe('a');
    expect(chooseForRead({ primary: undefined, replicas: [] }, rule)).toBeUndefined();
  });

  it('is drawn at random among equals, so that they share the load', () => {
    const replicas = ['a', 'b', 'c'].map((name) => node(name));
    const counts = new Map<string, number>();
    for (let i = 0; i < 3_000; i++) {
      const name =
        chooseForRead({ primary: main, replicas }, { maxLagMs: 0, tried: [] })?.name ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted()).toEqual(['a', 'b', 'c']);
    for (const count of counts.values()) expect(count).toBeGreaterThan(800);
  });

  it('is never one with more in flight, whatever is drawn', () => {
    const replicas = [node('busy', { inFlight: 2 }), node('free', { inFlight: 1 })];
    for (const drawn of [0, 0.999]) {
      let calls = 0;
      const random = (): number => (calls++ === 0 ? drawn : 0.999 - drawn);
      expect(
        chooseForRead({ primary: main, replicas }, { maxLagMs: 0, tried: [] }, random)?.name,
      ).toBe('free');
    }
  });
});

describe('lag in bytes', () => {
  const rule = { maxLagMs: 1_000, tried: [] };

  it.each([
    [0, 5_000_000, true],
    [1_000, 1_000, true],
    [1_000, 1_001, false],
  ])('with a limit of %d, a replica that lags %d may answer: %s', (maxLagBytes, lagBytes, may) => {
    expect(isEligible(node('a', { lagBytes }), { ...rule, maxLagBytes })).toBe(may);
  });
});

describe('the share of a replica', () => {
  /** How many of 10,000 reads the first of two gets, with nothing in flight. */
  const firstOf = (first: Partial<Node>, second: Partial<Node> = {}): number => {
    const replicas = [node('a', first), node('b', second)];
    let n = 0;
    for (let i = 0; i < 10_000; i++) {
      if (chooseReplica(replicas, { maxLagMs: 1, tried: [] })?.name === 'a') n++;
    }
    return n;
  };

  it.each<[string, Partial<Node>, number]>([
    ['is equal among equals', {}, 5_000],
    ['is small just after it came back', { share: 0.1 }, 500],
    ['grows', { share: 0.5 }, 2_500],
    ['is small when it answers slowly, yet never nothing', { answerMs: 10 }, 500],
    ['is nothing while others have less to do', { inFlight: 2 }, 0],
  ])('%s', (_, first, expected) => {
    expect(Math.abs(firstOf(first) - expected)).toBeLessThan(350);
  });
});
