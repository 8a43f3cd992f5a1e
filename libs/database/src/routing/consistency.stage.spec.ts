// What a write leaves behind, and where a read that has to see it may go, on nodes that the test turns this way and that.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryError, UsageError } from '../kernel/errors.js';
import { last, before } from '../query/stage.js';
import type { Enter } from '../query/stage.js';
import type { Freshness } from '../query/position.js';
import type { Trip, TripRequest } from '../query/trip.js';
import { FakeClock } from '../testing/fake-clock.js';
import { stageContract } from '../testing/stage-contract.js';
import { TripBench } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import { ConsistencyContexts } from './consistency-context.js';
import { ConsistencyStage } from './consistency.stage.js';
import { formatToken } from './consistency-token.js';
import type { PositionAnswer } from './node-probe.js';
import { ROUTING_DEFAULTS } from './routing.options.js';
import type { Topology } from './topology.js';

const SYSTEM = '7312345678901234567';
const at = (lsn: bigint, timeline = 1): Freshness => ({ systemId: SYSTEM, timeline, lsn });

let clock: FakeClock;
let bench: TripBench;
let contexts: ConsistencyContexts;
let enter: Enter;
/** How far the replica has come, and whether it can be asked. */
let replica: { lsn: bigint; timeline: number; lagMs: number; isLost: boolean };
/** Questions where the primary stands, and their answers. */
let questions: Array<{ answer: (lsn: bigint, role?: 'replica') => void; fail: () => void }>;
let replicaQuestions: number;
/** What routing got: the trip, and what it has to see. */
let routed: Trip[];
let answer: (trip: Trip) => void;

const replicaNode = {
  name: 'replica-1',
  role: 'replica',
  isReachable: true,
  isPassable: true,
  inFlight: 0,
  get lagMs() {
    return replica.lagMs;
  },
  get end() {
    return { systemId: SYSTEM, timeline: replica.timeline, lsn: replica.lsn, askedAtMs: 0 };
  },
  hasReached: (position: { lsn: bigint; timeline: number }) =>
    replica.timeline === position.timeline && replica.lsn >= position.lsn,
};
const primaryNode = { name: 'primary', role: 'primary', systemId: SYSTEM, end: undefined };

function fetchPosition(name: string): Promise<PositionAnswer> {
  const askedAtMs = clock.monotonicMs();
  if (name === 'replica-1') {
    replicaQuestions++;
    return replica.isLost
      ? Promise.reject(new Error('lost'))
      : Promise.resolve({} as PositionAnswer);
  }
  return new Promise((resolve, reject) => {
    questions.push({
      answer: (lsn, role) =>
        resolve({
          role: role ?? 'primary',
          lsn,
          endLsn: lsn,
          timeline: 1,
          systemId: SYSTEM,
          askedAtMs,
        }),
      fail: () => reject(new ConnectionError('lost')),
    });
  });
}

const topology = {
  nodes: [],
  systemId: SYSTEM,
  primary: () => primaryNode,
  replicas: () => [replicaNode],
  find: (name: string) => (name === 'primary' ? primaryNode : replicaNode),
  fetchPosition,
} as unknown as Topology;

const stage = (whose: FakeClock, tracks = true): ConsistencyStage =>
  new ConsistencyStage({
    contexts,
    topology,
    options: ROUTING_DEFAULTS,
    clock: whose,
    tracks,
    isPure: (text) => text === 'select 1',
  });

beforeEach(() => {
  clock = new FakeClock();
  bench = new TripBench(clock);
  contexts = new ConsistencyContexts();
  replica = { lsn: 0n, timeline: 1, lagMs: 0, isLost: false };
  questions = [];
  replicaQuestions = 0;
  routed = [];
  answer = (trip) => {
    trip.node = 'primary';
    trip.isSent = true;
    trip.settle(undefined, { command: 'UPDATE' });
  };
  const routing = last({
    enter: (trip) => {
      routed.push(trip);
      answer(trip);
    },
  });
  const step = stage(clock);
  enter = (trip) => before(step, routing)(trip);
});

describe('the contract of a stage', () => {
  const cases = stageContract((rest, whose) => {
    contexts = new ConsistencyContexts();
    return { enter: before(stage(whose, false), last(rest)) };
  });
  for (const { name, run } of cases) it(name, run);
});

const write = (request: Partial<TripRequest> = {}): BenchedTrip => bench.send(enter, request);
const read = (request: Partial<TripRequest> = {}): BenchedTrip =>
  bench.send(enter, { intent: 'read', consistency: 'session', ...request });
const seen = (): Freshness | undefined => contexts.current.freshness;

describe('a write', () => {
  it('is answered once its position is known', async () => {
    const { ends } = write();
    expect(ends).toEqual([]);
    questions[0]?.answer(500n);
    await clock.elapseMs(0);
    expect(ends).toEqual([{ result: { command: 'UPDATE' } }]);
    expect(seen()).toEqual(at(500n));
  });

  it.each([
    ['when the question fails', () => questions[0]?.fail()],
    [
      'when the server that is asked is no primary any more',
      () => questions[0]?.answer(1n, 'replica'),
    ],
    ['when nobody answers for a second', () => clock.advanceMs(1_100)],
  ])('has succeeded, at an unknown place, %s', async (_, happens) => {
    const { ends } = write();
    happens();
    await clock.elapseMs(0);
    expect(ends).toEqual([{ result: { command: 'UPDATE' } }]);
    expect(seen()).toBe('primary');
    await clock.elapseMs(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('has succeeded when its caller goes away, or its deadline passes, while the question is under way', async () => {
    const controller = new AbortController();
    const aborted = write({ signal: controller.signal });
    controller.abort();
    const late = write({ timeoutMs: 50 });
    await clock.elapseMs(100);
    expect([aborted.ends, late.ends]).toEqual([
      [{ result: { command: 'UPDATE' } }],
      [{ result: { command: 'UPDATE' } }],
    ]);
    expect(seen()).toBe('primary');
  });

  it('is placed by an answer that comes too late for it', async () => {
    write();
    await clock.elapseMs(1_100);
    expect(seen()).toBe('primary');
    questions[0]?.answer(500n);
    await clock.elapseMs(0);
    expect(seen()).toEqual(at(500n));
  });

  it('is not placed by an answer to a question that came before it', async () => {
    write();
    await clock.elapseMs(10);
    write();
    questions[1]?.fail();
    questions[0]?.answer(500n);
    await clock.elapseMs(0);
    expect(seen()).toBe('primary');
  });

  it.each([
    ['a pure SELECT', { command: 'SELECT' }, { statement: { text: 'select 1' } }],
    ['BEGIN', { command: 'BEGIN' }, {}],
    ['an empty text', { command: null }, {}],
    ['a lease', {}, { wants: 'lease' as const }],
    [
      'a statement inside a transaction',
      { command: 'UPDATE' },
      { pinned: { node: 'primary', transactionStatus: 'open' as const, enter: () => undefined } },
    ],
    ['COMMIT of a read-only transaction', { command: 'COMMIT' }, { intent: 'read' as const }],
  ])('is not %s', (_, result, request) => {
    answer = (trip) => {
      trip.node = 'primary';
      trip.settle(undefined, result);
    };
    expect(write({ consistency: 'primary', ...request }).ends).toEqual([{ result }]);
    expect(questions).toEqual([]);
  });

  it.each([
    ['a SELECT of functions nobody knows', { command: 'SELECT' }],
    ['several statements, one of them a write', [{ command: 'SET' }, { command: 'INSERT' }]],
    ['a COPY', 5],
  ])('is %s', (_, result) => {
    answer = (trip) => {
      trip.node = 'primary';
      trip.settle(undefined, result);
    };
    write({ statement: { text: 'select f()' } });
    expect(questions).toHaveLength(1);
  });

  it('that failed with an answer is none; one that got none may be one', () => {
    answer = (trip) => {
      trip.isSent = true;
      trip.settle(new QueryError('no'), undefined);
    };
    write();
    expect(seen()).toBeUndefined();
    answer = (trip) => {
      trip.isSent = true;
      trip.settle(new ConnectionError('lost'), undefined);
    };
    write();
    expect(seen()).toBe('primary');
  });

  it('counts in its context and those around it, and in no other one', async () => {
    const [outer, other] = [contexts.open(undefined, 0), contexts.open(undefined, 0)];
    contexts.run(outer, () => contexts.run(contexts.open(undefined, 0), () => write()));
    questions[0]?.answer(500n);
    await clock.elapseMs(0);
    expect([outer.freshness, other.freshness, seen()]).toEqual([at(500n), undefined, at(500n)]);
  });
});

describe('a session read', () => {
  const after = formatToken(at(500n));

  it('goes on at once where nothing was written, or a replica has it', () => {
    read();
    replica.lsn = 500n;
    read({ after });
    expect(routed.map((trip) => trip.after)).toEqual([undefined, at(500n)]);
    expect(replicaQuestions).toBe(0);
  });

  it('waits for a replica, and goes on as soon as it has the write', async () => {
    read({ after });
    await clock.elapseMs(5);
    expect(routed).toEqual([]);
    replica.lsn = 500n;
    await clock.elapseMs(2);
    expect(routed).toHaveLength(1);
    await clock.elapseMs(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it('shares the questions with all others that wait', async () => {
    for (let i = 0; i < 50; i++) read({ after });
    await clock.elapseMs(10);
    expect(replicaQuestions).toBeLessThanOrEqual(12);
    await clock.elapseMs(15);
    expect(routed).toHaveLength(50);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['in vain no longer than sessionWaitMs', () => undefined],
    ['no longer for a replica that is lost meanwhile', () => (replica.isLost = true)],
  ])('waits %s', async (_, happens) => {
    read({ after });
    await clock.elapseMs(1);
    happens();
    await clock.elapseMs(25);
    expect(routed).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits for no replica that lags more than it may wait, or is on another timeline', () => {
    replica.lagMs = 50;
    read({ after });
    replica.lagMs = 0;
    replica.timeline = 2;
    read({ after });
    expect(routed).toHaveLength(2);
  });

  it('that is aborted while it waits leaves nothing behind', async () => {
    const controller = new AbortController();
    const { ends } = read({ after, signal: controller.signal });
    controller.abort();
    await clock.elapseMs(10);
    expect(ends).toMatchObject([{ error: { code: 'DB_QUERY_ABORTED' } }]);
    expect(routed).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not mind when the wall clock jumps', async () => {
    read({ after });
    clock.setWall(-3_600_000);
    await clock.elapseMs(25);
    expect(routed).toHaveLength(1);
  });

  it.each([
    ['garbage', { after: 'garbage' }, /is no consistency token/],
    [
      'another cluster',
      { after: formatToken({ ...(at(1n) as object), systemId: '8' } as Freshness) },
      /another/,
    ],
    ['an eventual read', { after, consistency: 'eventual' as const }, /Leave consistency out/],
  ])('with a token of %s is refused', (_, request, message) => {
    const [end] = read(request).ends as [{ error: UsageError }];
    expect(end.error).toBeInstanceOf(UsageError);
    expect(end.error.message).toMatch(message);
    expect(routed).toEqual([]);
  });

  it('has to see its own context and its token', () => {
    contexts.current.wroteUpTo({ ...(at(900n) as object), askedAtMs: 0 } as never);
    replica.lsn = 10_000n;
    read({ after });
    read({ after: formatToken(at(1n, 2)) });
    expect(routed.map((trip) => trip.after)).toEqual([at(900n), 'primary']);
  });
});
