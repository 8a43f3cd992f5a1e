// What every stage of the trip promises: each trip is settled exactly once, by its deadline, and nothing stays armed.
import assert from 'node:assert/strict';
import {
  ConnectionError,
  DatabaseError,
  QueryAbortedError,
  ShutdownError,
} from '../kernel/errors.js';
import { QueryError, UniqueViolationError } from '../kernel/query-errors.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import type { ContractCase } from './contract-case.js';
import { FakeClock } from './fake-clock.js';
import { Rest, TripBench } from './trip-bench.js';
import type { BenchedTrip, RestAnswer } from './trip-bench.js';

/** A stage in its place. */
export interface StageInPlace {
  /** Sends a trip into the stage. */
  readonly enter: Enter;
  /** Takes apart what was built around it. */
  readonly close?: () => Promise<void>;
}

/**
 * Builds the stage under test before `rest`. A stage that is the last one asks `rest.play()` what its server
 * does: answer, fail, or say nothing.
 */
export type StageSubject = (rest: Rest, clock: FakeClock) => StageInPlace | Promise<StageInPlace>;

/** Longest life of the contract's trips, in ms. */
const TIMEOUT_MS = 1_000;

const refusal = (): DatabaseError => new UniqueViolationError('twice', { sqlState: '23505' });
const outage = (): DatabaseError =>
  new ConnectionError('refused', { safeToRetry: true, outage: true });

/** A built stage with all that a case looks at. */
interface Setting {
  readonly bench: TripBench;
  readonly rest: Rest;
  readonly clock: FakeClock;
  /** Sends a trip that has {@link TIMEOUT_MS}. */
  readonly send: (request?: Partial<TripRequest>) => BenchedTrip;
}

type Check = (setting: Setting) => Promise<void>;

function endedOnce({ trip, ends }: BenchedTrip): void {
  assert.equal(ends.length, 1, `the caller was told ${ends.length} times`);
  assert.ok(trip.isDone);
}

function errorOf({ ends }: BenchedTrip): unknown {
  const [end] = ends;
  return end !== undefined && 'error' in end ? end.error : undefined;
}

/** Deterministic pseudo-random numbers in [0, 1). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
}

const SETTLING: ReadonlyArray<readonly [string, Check]> = [
  [
    'settles a trip that is answered, once, with the answer',
    async ({ clock, rest, send }) => {
      rest.script = () => ({ result: 'answer' });
      const benched = send();
      await clock.elapseMs(0);
      endedOnce(benched);
      assert.equal(errorOf(benched), undefined);
    },
  ],
  [
    'settles a trip that the server refuses, once, with that very error, and does not repeat it',
    async ({ clock, rest, send }) => {
      const error = refusal();
      rest.script = () => ({ error });
      const benched = send({ repeatable: true });
      await clock.elapseMs(0);
      endedOnce(benched);
      assert.equal(errorOf(benched), error);
      assert.equal(rest.asked, 1);
    },
  ],
  [
    'settles a trip by its deadline when nothing is answered',
    async ({ clock, rest, send }) => {
      rest.script = () => 'nothing';
      const benched = send();
      await clock.elapseMs(TIMEOUT_MS - 10);
      assert.equal(benched.ends.length, 0);
      await clock.elapseMs(20);
      endedOnce(benched);
      assert.ok(errorOf(benched) instanceof DatabaseError);
    },
  ],
  [
    'settles a trip by its deadline when everything fails',
    async ({ clock, rest, send }) => {
      rest.script = () => ({ error: outage() });
      const benched = send({ repeatable: true });
      await clock.elapseMs(TIMEOUT_MS + 10);
      endedOnce(benched);
      assert.ok(errorOf(benched) instanceof DatabaseError);
    },
  ],
  [
    'lets a trip without a time of its own end too',
    async ({ clock, rest, send }) => {
      rest.script = () => 'nothing';
      const benched = send({ timeoutMs: undefined });
      await clock.elapseMs(600_000);
      endedOnce(benched);
    },
  ],
];

const INTERRUPTING: ReadonlyArray<readonly [string, Check]> = [
  [
    'honours an interruption at once, wherever the trip is',
    async ({ clock, rest, send }) => {
      rest.script = () => 'nothing';
      const benched = send();
      await clock.elapseMs(10);
      const error = new ShutdownError('closing');
      benched.trip.interrupt(error);
      endedOnce(benched);
      assert.equal(errorOf(benched), error);
    },
  ],
  [
    'honours the signal of the caller, and stops listening to it',
    async ({ clock, rest, send }) => {
      rest.script = () => 'nothing';
      const controller = new AbortController();
      const benched = send({ signal: controller.signal });
      await clock.elapseMs(10);
      controller.abort();
      endedOnce(benched);
      assert.ok(errorOf(benched) instanceof QueryAbortedError);
      benched.trip.interrupt(new ShutdownError('too late'));
      endedOnce(benched);
    },
  ],
  [
    'tells nobody about an answer that comes too late',
    async ({ clock, rest, send }) => {
      rest.script = () => 'nothing';
      const benched = send();
      await clock.elapseMs(TIMEOUT_MS + 10);
      endedOnce(benched);
      benched.trip.settle(undefined, 'late');
      endedOnce(benched);
    },
  ],
  [
    'honours an interruption between two attempts',
    async ({ clock, rest, send }) => {
      rest.script = () => ({ error: outage() });
      const benched = send({ repeatable: true });
      await clock.elapseMs(1);
      benched.trip.interrupt(new ShutdownError('closing'));
      endedOnce(benched);
      const { asked } = rest;
      await clock.elapseMs(TIMEOUT_MS);
      assert.equal(rest.asked, asked, 'it was sent down again after its end');
    },
  ],
];

const MANY = 1_000;

const CROWD: ReadonlyArray<readonly [string, Check]> = [
  [
    'settles each of 1,000 trips with mixed fates once',
    async ({ bench, clock, rest, send }) => {
      const random = randoms(42);
      const fates: Array<() => RestAnswer> = [
        () => ({ result: 'answer' }),
        () => ({ error: refusal() }),
        () => ({ error: outage() }),
        () => ({ error: new QueryError('wrong', { sqlState: '42601' }) }),
        () => 'nothing',
      ];
      rest.script = () => (fates[Math.floor(random() * fates.length)] as () => RestAnswer)();
      const trips: BenchedTrip[] = [];
      while (trips.length < MANY) {
        trips.push(send({ repeatable: random() < 0.5, timeoutMs: 50 + random() * TIMEOUT_MS }));
        if (random() < 0.1) trips.at(-1)?.trip.interrupt(new ShutdownError('closing'));
        if (random() < 0.2) await clock.elapseMs(random() * 20);
      }
      await clock.elapseMs(2 * TIMEOUT_MS);
      trips.forEach(endedOnce);
      assert.equal(bench.finishedTrips.length, MANY);
      assert.equal(new Set(bench.finishedTrips).size, MANY);
    },
  ],
];

/** The promises of a stage. Each case builds one of its own. */
export function stageContract(subject: StageSubject): ContractCase[] {
  return [...SETTLING, ...INTERRUPTING, ...CROWD].map(([name, check]) => ({
    name: `${name}; nothing stays armed`,
    run: async () => {
      const clock = new FakeClock();
      const bench = new TripBench(clock);
      const rest = new Rest(clock);
      const place = await subject(rest, clock);
      const send = (request: Partial<TripRequest> = {}): BenchedTrip =>
        bench.send(place.enter, { timeoutMs: TIMEOUT_MS, ...request });
      await check({ bench, rest, clock, send });
      assert.equal(bench.wheel.size, 0, 'a deadline is still armed');
      await place.close?.();
      // The wheel's last turn, and what a closing pool waits for.
      await clock.elapseMs(20);
      assert.equal(clock.pendingTimers, 0, 'a timer is still pending');
    },
  }));
}
