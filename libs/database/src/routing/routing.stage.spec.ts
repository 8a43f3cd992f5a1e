// Which node a trip is sent to, where it goes when that one fails, and how it waits for a primary.
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  CircuitOpenError,
  ConnectionError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryTimeoutError,
  ReplicasLostError,
  ShutdownError,
} from '../kernel/errors.js';
import { QueryError, ReadOnlyError, SerializationError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { last } from '../query/stage.js';
import type { Enter } from '../query/stage.js';
import type { Trip, TripRequest } from '../query/trip.js';
import { FakeClock } from '../testing/fake-clock.js';
import { stageContract } from '../testing/stage-contract.js';
import { TripBench } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import type { Node, NodeRole } from './node.js';
import { choosePrimary } from './router.js';
import { ROUTING_DEFAULTS } from './routing.options.js';
import type { RoutingOptions } from './routing.options.js';
import { RoutingStage } from './routing.stage.js';
import type { Topology } from './topology.js';

/** A node that answers as the test says. */
class FakeNode {
  isReachable = true;
  isPassable = true;
  lagMs = 0;
  inFlight = 0;
  lagBytes = 0;
  answerMs = 1;
  share = 1;
  took(): void {}
  /** Monotonic time at which the last probe was sent, in ms. */
  askedAtMs = 0;
  answeredAfter(atMs: number): boolean {
    return this.askedAtMs > atMs;
  }
  timeline = 1;
  readonly declaredRole = 'auto';
  asked = 0;
  answer: (trip: Trip) => void = (trip) => {
    trip.isSent = true;
    trip.settle(undefined, this.name);
  };

  constructor(
    readonly name: string,
    public role: NodeRole,
  ) {}

  readonly enter: Enter = last({
    enter: (trip) => {
      this.asked++;
      this.answer(trip);
    },
  });

  fails(error: DatabaseError, isSent = false): void {
    this.answer = (trip) => {
      trip.isSent ||= isSent;
      trip.settle(error, undefined);
    };
  }
}

/** A topology whose knowledge the test changes by hand. */
class FakeTopology {
  looks = 0;
  demotions: string[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(readonly nodes: FakeNode[]) {}

  get hasOthers(): boolean {
    return this.nodes.length > 1;
  }

  primary(): Node | undefined {
    return choosePrimary(this.nodes as unknown as Node[]);
  }

  reachablePrimary(): Node | undefined {
    const primary = this.primary();
    return primary?.isReachable === true ? primary : undefined;
  }

  replicas(): FakeNode[] {
    return this.nodes.filter(({ role }) => role === 'replica');
  }

  find(name: string): FakeNode | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  onLook(listener: () => void): void {
    this.listeners.add(listener);
  }

  lookNow(): void {
    this.looks++;
  }

  /** Whether the only node's connections turned out to lead to a standby. */
  evicts = false;

  demoted(name: string): boolean {
    this.demotions.push(name);
    if (this.hasOthers) (this.find(name) as FakeNode).role = 'replica';
    this.lookNow();
    return this.hasOthers || this.evicts;
  }

  describe(): string {
    return this.nodes.map(({ name, role }) => `${name}: ${role}`).join(', ');
  }

  /** A probe has come back. */
  looked(): void {
    for (const listener of this.listeners) listener();
  }
}

const READ_OF_PRIMARY = { intent: 'read', consistency: 'primary', repeatable: true } as const;

const outage = (safeToRetry = true): DatabaseError =>
  new ConnectionError('refused', { safeToRetry, outage: true });

describe('the contract of a stage', () => {
  const cases = stageContract((rest, clock) => {
    const node = new FakeNode('primary', 'primary');
    const topology = new FakeTopology([node]) as unknown as Topology;
    const stage = new RoutingStage(topology, ROUTING_DEFAULTS, clock);
    node.answer = rest.enter;
    return { enter: last(stage) };
  });
  for (const { name, run } of cases) it(name, run);
});

let clock: FakeClock;
let bench: TripBench;
let topology: FakeTopology;
let enter: Enter;
let primary: FakeNode;
let replicas: [FakeNode, FakeNode];

function use(nodes: FakeNode[], options: Partial<RoutingOptions> = {}): void {
  topology = new FakeTopology(nodes);
  const whole = { ...ROUTING_DEFAULTS, ...options };
  enter = last(new RoutingStage(topology as unknown as Topology, whole, clock));
}

beforeEach(() => {
  clock = new FakeClock();
  bench = new TripBench(clock);
  primary = new FakeNode('primary', 'primary');
  replicas = [new FakeNode('replica-1', 'replica'), new FakeNode('replica-2', 'replica')];
  use([primary, ...replicas]);
});

const read = (request: Partial<TripRequest> = {}): BenchedTrip =>
  bench.send(enter, { intent: 'read', repeatable: true, ...request });
const write = (request: Partial<TripRequest> = {}): BenchedTrip =>
  bench.send(enter, { intent: 'write', ...request });
const resultOf = ({ ends }: BenchedTrip): unknown => {
  const [end] = ends;
  return end !== undefined && 'result' in end ? end.result : undefined;
};
const errorOf = ({ ends }: BenchedTrip): unknown => {
  const [end] = ends;
  return end !== undefined && 'error' in end ? end.error : undefined;
};

describe('the node', () => {
  it.each<[string, Partial<TripRequest>, RegExp]>([
    ['of a write is the primary', { intent: 'write' }, /^primary$/],
    [
      'of a write is the primary, whatever it asks for',
      { intent: 'write', consistency: 'eventual' },
      /^primary$/,
    ],
    ['of a read is a replica', { intent: 'read' }, /^replica-/],
    [
      'of a read that has to be fresh is the primary',
      { intent: 'read', consistency: 'primary' },
      /^primary$/,
    ],
    [
      'of a read that allows less lag than there is, is the primary',
      { intent: 'read', maxLagMs: 5 },
      /^primary$/,
    ],
  ])('%s', (_, request, name) => {
    for (const replica of replicas) replica.lagMs = 10;
    expect(resultOf(bench.send(enter, request))).toMatch(name);
  });

  it('of a read is the primary where that is the rule, or where there is no replica', () => {
    use([primary, ...replicas], { consistency: 'primary' });
    expect(resultOf(read())).toBe('primary');
    expect(resultOf(read({ consistency: 'eventual' }))).toMatch(/^replica-/);
    use([primary]);
    expect(resultOf(read())).toBe('primary');
  });

  it('of a read is the replica with less to do', () => {
    replicas[0].inFlight = 5;
    for (let i = 0; i < 10; i++) expect(resultOf(read())).toBe('replica-2');
  });

  it('of a pinned trip is that of its connection, whatever its role', () => {
    const pinned = { node: 'replica-2', enter: () => undefined };
    const { trip } = write({ pinned });
    expect(replicas[1].asked).toBe(1);
    expect(trip.node).toBe('replica-2');
    expect(trip.hasAlternative).toBe(false);
  });

  it('is told to the trip, and whether there is another one', () => {
    expect(read().trip).toMatchObject({ hasAlternative: true });
    expect(write().trip).toMatchObject({ node: 'primary', hasAlternative: false });
  });
});

describe('a replica that fails a read', () => {
  it.each<[string, DatabaseError]>([
    ['cannot be reached', outage()],
    ['was lost on the way', outage(false)],
    ['has an open circuit', new CircuitOpenError('replica-1', 100)],
    ['is overloaded', new PoolOverloadedError('r', { leased: 1, max: 1, waiting: 1 }, 1)],
    [
      'cancelled it for a conflict with recovery',
      new SerializationError('conflict', { sqlState: '40001' }),
    ],
  ])('because it %s: the next one is asked, and the primary at last', (_, error) => {
    for (const replica of replicas) replica.fails(error);
    const benched = read();
    expect(resultOf(benched)).toBe('primary');
    expect(replicas.map(({ asked }) => asked)).toEqual([1, 1]);
    expect(benched.trip.tried?.toSorted()).toEqual(['replica-1', 'replica-2']);
  });

  it.each<[string, DatabaseError]>([
    ['an error of the statement', new QueryError('no')],
    ['a timeout', new QueryTimeoutError(1)],
    ['a wait in vain', new PoolTimeoutError('r', 1, { leased: 1, max: 1, waiting: 1 }, 1)],
    ['shutdown', new ShutdownError('closing')],
  ])('with %s has said what any other would say', (_, error) => {
    for (const replica of replicas) replica.fails(error);
    const benched = read();
    expect(errorOf(benched)).toBe(error);
    expect(replicas[0].asked + replicas[1].asked).toBe(1);
    expect(primary.asked).toBe(0);
  });

  it('after the statement was sent is the last word on one that may not run twice', () => {
    for (const replica of replicas) replica.fails(outage(false));
    expect(errorOf(read({ repeatable: false }))).toBeInstanceOf(ConnectionError);
    expect(primary.asked).toBe(0);
    for (const replica of replicas) replica.fails(outage(true));
    expect(resultOf(read({ repeatable: false }))).toBe('primary');
  });

  it('is the last word when the primary fails too', () => {
    const error = outage();
    for (const replica of replicas) replica.fails(outage());
    primary.fails(error);
    const benched = read();
    // Whoever is back first, or is promoted, would have answered it meanwhile.
    clock.advanceMs(ROUTING_DEFAULTS.failoverWaitMs + 10);
    expect(errorOf(benched)).toBe(error);
    expect(primary.asked).toBe(1);
  });

  it('fails a pinned trip for good', () => {
    replicas[0].fails(outage());
    const pinned = { node: 'replica-1', enter: () => undefined };
    expect(errorOf(read({ pinned }))).toBeInstanceOf(ConnectionError);
    expect(primary.asked).toBe(0);
  });
});

describe('while no primary is known', () => {
  beforeEach(() => {
    primary.role = 'replica';
  });

  it('a write waits, and goes on as soon as there is one', async () => {
    const benched = write();
    expect(benched.ends).toEqual([]);
    expect(topology.looks).toBe(1);
    clock.advanceMs(1_000);
    replicas[0].role = 'primary';
    topology.looked();
    expect(resultOf(benched)).toBe('replica-1');
    expect(bench.wheel.size).toBe(0);
  });

  it('a write does not go to one that was not reached', () => {
    const benched = write();
    replicas[0].role = 'primary';
    replicas[0].isReachable = false;
    topology.looked();
    expect(benched.ends).toEqual([]);
    replicas[0].isReachable = true;
    topology.looked();
    expect(resultOf(benched)).toBe('replica-1');
  });

  it('a write waits no longer than failoverWaitMs, and is told who is what', () => {
    const benched = write();
    clock.advanceMs(4_990);
    expect(benched.ends).toEqual([]);
    clock.advanceMs(20);
    const error = errorOf(benched) as ConnectionError;
    expect(error.message).toContain('primary: replica, replica-1: replica, replica-2: replica');
    expect(error).toMatchObject({ safeToRetry: true, outage: true });
    topology.looked();
    expect(benched.ends).toHaveLength(1);
  });

  it('a write waits no longer than its own time, and not at all where waiting is off', () => {
    const short = write({ timeoutMs: 100 });
    clock.advanceMs(110);
    expect(short.ends).toHaveLength(1);
    use([primary], { failoverWaitMs: 0 });
    const none = write();
    clock.advanceMs(10);
    expect(none.ends).toHaveLength(1);
  });

  it('a write that is interrupted leaves, and is not sent later', () => {
    const benched = write();
    benched.trip.interrupt(new ShutdownError('closing'));
    expect(errorOf(benched)).toBeInstanceOf(ShutdownError);
    replicas[0].role = 'primary';
    topology.looked();
    expect(replicas[0].asked).toBe(0);
  });

  it('a read that a replica may answer does not wait', () => {
    expect(resultOf(read())).toBeDefined();
  });

  it('5,000 may wait, and the next one is refused at once', () => {
    const waiting = Array.from({ length: 5_000 }, () => write());
    expect(waiting.at(-1)?.ends).toEqual([]);
    const refused = write();
    expect(errorOf(refused)).toBeInstanceOf(ConnectionError);
    replicas[0].role = 'primary';
    topology.looked();
    expect(waiting.every((benched) => resultOf(benched) === 'replica-1')).toBe(true);
  });
});

describe('a primary that refuses a write as read-only', () => {
  const readOnly = (): DatabaseError => new ReadOnlyError('read-only', { sqlState: '25006' });

  it('has lost its role: the write goes to the new one once that is known', () => {
    primary.fails(readOnly(), true);
    const benched = write();
    expect(topology.demotions).toEqual(['primary']);
    expect(benched.ends).toEqual([]);
    replicas[1].role = 'primary';
    topology.looked();
    expect(resultOf(benched)).toBe('replica-2');
  });

  it('is not asked again for ever: after a few the caller is told', () => {
    for (const node of [primary, ...replicas]) node.fails(readOnly(), true);
    const benched = write();
    for (const node of [replicas[0], primary, replicas[1], primary]) {
      node.role = 'primary';
      topology.looked();
    }
    expect(errorOf(benched)).toBeInstanceOf(ReadOnlyError);
    expect(primary.asked + replicas[0].asked + replicas[1].asked).toBeLessThanOrEqual(4);
  });

  it('is the last word where there is no other node', () => {
    use([primary]);
    primary.fails(readOnly(), true);
    expect(errorOf(write())).toBeInstanceOf(ReadOnlyError);
    expect([primary.asked, primary.role]).toEqual([1, 'primary']);
  });

  it('is asked once more by its name, where there is no other node and its connections led to a standby', () => {
    use([primary]);
    topology.evicts = true;
    primary.fails(readOnly(), true);
    expect(errorOf(write())).toBeInstanceOf(ReadOnlyError);
    expect([primary.asked, primary.role]).toEqual([2, 'primary']);
  });

  it('may say so to a new connection: the write waits for the one that is promoted', async () => {
    const standby = { sqlState: '25006', safeToRetry: true, transient: false };
    primary.fails(new ConnectionError('a standby', standby));
    const { ends } = write();
    expect(ends).toEqual([]);
    expect(topology.demotions).toEqual(['primary']);
    replicas[0].role = 'primary';
    topology.looked();
    expect(ends).toEqual([{ result: replicas[0].name }]);
  });

  it('has lost nothing when the refusal was our own, before anything was sent', () => {
    primary.fails(readOnly(), false);
    expect(errorOf(write())).toBeInstanceOf(ReadOnlyError);
    expect(topology.demotions).toEqual([]);
  });

  it('inside of a transaction is a matter of that transaction', () => {
    primary.fails(readOnly(), true);
    const pinned = { node: 'primary', enter: () => undefined };
    expect(errorOf(write({ pinned }))).toBeInstanceOf(ReadOnlyError);
    expect(topology.demotions).toEqual([]);
  });
});

describe('a primary that cannot be reached', () => {
  it('makes all nodes be looked at, now', () => {
    primary.fails(outage());
    write();
    expect(topology.looks).toBe(1);
  });

  /** The primary answers its probe, sent now. */
  const comesBack = (): void => {
    clock.advanceMs(10);
    primary.isReachable = true;
    primary.askedAtMs = clock.monotonicMs();
    topology.looked();
  };
  const goesDown = (error: DatabaseError = outage()): void => {
    primary.isReachable = false;
    primary.fails(error);
  };
  const works = (node: FakeNode): void => {
    node.answer = (trip) => trip.settle(undefined, node.name);
  };

  it.each<[string, DatabaseError, Partial<TripRequest>]>([
    ['a write that was not sent', outage(), {}],
    ['a write that the circuit refuses', new CircuitOpenError('primary', 100), {}],
    ['a connection for a transaction', outage(), { wants: 'lease' }],
    ['a read of the primary', outage(false), READ_OF_PRIMARY],
  ])('lets %s wait for the one that is promoted', (_, error, request) => {
    goesDown(error);
    const { ends } = write(request);
    topology.looked();
    expect(ends).toEqual([]);
    clock.advanceMs(3_000);
    replicas[0].role = 'primary';
    replicas[0].timeline = 2;
    topology.looked();
    expect(ends).toEqual([{ result: 'replica-1' }]);
    expect(primary.asked).toBe(1);
    expect(bench.wheel.size).toBe(0);
  });

  it('gets the write when it comes back itself, and not for what it said before', () => {
    goesDown();
    const benched = write();
    primary.isReachable = true;
    works(primary);
    topology.looked();
    expect(benched.ends).toEqual([]);
    comesBack();
    expect(resultOf(benched)).toBe('primary');
  });

  it('gets nothing while its circuit is open, and the rest as soon as the first ones have succeeded', () => {
    goesDown();
    const all = Array.from({ length: 4 }, () => write());
    primary.isPassable = false;
    comesBack();
    expect(primary.asked).toBe(4);
    const probes: Trip[] = [];
    primary.isPassable = true;
    primary.answer = (trip) => {
      probes.push(trip);
      primary.isPassable = false;
    };
    comesBack();
    expect(probes).toHaveLength(1);
    works(primary);
    primary.isPassable = true;
    probes[0]?.settle(undefined, 'primary');
    expect(all.map(resultOf)).toEqual(['primary', 'primary', 'primary', 'primary']);
  });

  it('is what the caller is told of in the end, after failoverWaitMs in all', () => {
    const error = outage();
    goesDown(error);
    const benched = write();
    clock.advanceMs(3_000);
    comesBack();
    expect(primary.asked).toBe(2);
    clock.advanceMs(1_960);
    expect(benched.ends).toEqual([]);
    clock.advanceMs(50);
    expect(errorOf(benched)).toBe(error);
    expect(benched.trip.node).toBe('primary');
    expect(primary.asked).toBe(2);
    comesBack();
    expect(benched.ends).toHaveLength(1);
  });

  it('is what the caller is told of when his own time is up before', () => {
    const error = outage();
    goesDown(error);
    const benched = write({ timeoutMs: 100 });
    clock.advanceMs(110);
    expect(errorOf(benched)).toBe(error);
  });

  it('is not brought down again and again by one statement', () => {
    goesDown(outage(false));
    const benched = write({ repeatable: true });
    for (let round = 0; round < 10; round++) comesBack();
    expect(errorOf(benched)).toMatchObject({ safeToRetry: false });
    expect(primary.asked).toBe(4);
  });

  it.each<[string, DatabaseError]>([
    ['an overload', new PoolOverloadedError('r', { leased: 1, max: 1, waiting: 1 }, 1)],
    ['a conflict', new SerializationError('conflict', { sqlState: '40001' })],
    ['a timeout', new QueryTimeoutError(1)],
  ])('is another matter than %s: that is told at once', (_, error) => {
    primary.fails(error);
    expect(errorOf(write({ repeatable: true }))).toBe(error);
  });

  it('fails the write at once where nobody else could take over, or waiting is off', () => {
    const error = outage();
    for (const [nodes, options] of [
      [[primary], {}],
      [[primary, ...replicas], { failoverWaitMs: 0 }],
    ] as const) {
      use([...nodes], options);
      goesDown(error);
      expect(errorOf(write())).toBe(error);
    }
  });

  it('makes a read wait that has lost its replica too, while the primary is not known', () => {
    for (const replica of replicas) replica.fails(outage());
    primary.role = 'replica';
    primary.isReachable = false;
    const benched = read();
    expect(benched.ends).toEqual([]);
    works(replicas[1]);
    replicas[1].role = 'primary';
    clock.advanceMs(10);
    replicas[1].askedAtMs = clock.monotonicMs();
    topology.looked();
    expect(resultOf(benched)).toBe('replica-2');
  });

  it('loses the write to the new primary, when nothing was sent or it may run twice', () => {
    primary.answer = (trip) => {
      replicas[0].role = 'primary';
      replicas[0].timeline = 2;
      trip.settle(outage(), undefined);
    };
    expect(resultOf(write())).toBe('replica-1');
  });

  it('keeps a write that was sent and may not run twice', () => {
    primary.answer = (trip) => {
      replicas[0].role = 'primary';
      replicas[0].timeline = 2;
      trip.isSent = true;
      trip.settle(outage(false), undefined);
    };
    expect(errorOf(write())).toBeInstanceOf(ConnectionError);
    expect(replicas[0].asked).toBe(0);
  });
});

describe('when no replica is fit', () => {
  it('the primary answers its share of the reads, and the rest is told to come back', () => {
    const [a, b] = [new FakeNode('a', 'replica'), new FakeNode('b', 'replica')];
    use([primary, a, b], { fallbackRatio: 0.1 });
    a.isReachable = b.isReachable = false;
    const errors = Array.from({ length: 100 }, () => {
      const [end] = bench.send(enter, { intent: 'read', consistency: 'eventual' }).ends;
      return end !== undefined && 'error' in end ? end.error : undefined;
    }).filter((error) => error !== undefined);
    expect([primary.asked, errors.length]).toEqual([10, 90]);
    expect(errors[0]).toBeInstanceOf(ReplicasLostError);
    expect(errors[0]).toMatchObject({ code: 'DB_REPLICAS_LOST', safeToRetry: true });
    // Whoever asks for the primary gets it.
    expect(bench.send(enter, { intent: 'read', consistency: 'primary' }).ends).toMatchObject([
      { result: 'primary' },
    ]);
  });
});
