// Opens trips and closes them: one promise and one record each.
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  CircuitOpenError,
  ConnectionError,
  InDoubtError,
  ParameterError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
  UsageError,
} from '../kernel/errors.js';
import {
  QueryError,
  ReadOnlyError,
  SerializationError,
  UniqueViolationError,
} from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { QueryRecord } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import { last } from './stage.js';
import { TripDesk } from './trip-desk.js';
import type { Trip, TripRequest } from './trip.js';

const POOL = { leased: 1, max: 1, waiting: 0 };

let clock: FakeClock;
let events: Events;
let records: QueryRecord[];
let entered: Trip[];
/** What the pipeline does with a trip. */
let pipeline: (trip: Trip) => void;
let desk: TripDesk;

const request = (change: Partial<TripRequest> = {}): TripRequest => ({
  statement: { text: 'SELECT 1' },
  intent: 'read',
  wants: 'result',
  repeatable: false,
  consistency: undefined,
  maxLagMs: undefined,
  timeoutMs: undefined,
  signal: undefined,
  pinned: undefined,
  ...change,
});

beforeEach(() => {
  clock = new FakeClock();
  events = new Events();
  records = [];
  entered = [];
  events.on('query:done', (record) => records.push(record));
  pipeline = (trip) => trip.settle(undefined, { rows: [{}], rowCount: 1 });
  const enter = last({
    enter: (trip) => {
      entered.push(trip);
      pipeline(trip);
    },
  });
  desk = new TripDesk('default', clock, events, enter);
});

describe('outcomes', () => {
  const outcomes: ReadonlyArray<readonly [string, DatabaseError]> = [
    ['error', new QueryError('no')],
    ['error', new UniqueViolationError('twice')],
    ['error', new SerializationError('again')],
    ['error', new ReadOnlyError('no')],
    ['error', new ConnectionError('lost')],
    ['error', new ParameterError(1, 'a symbol')],
    ['error', new UsageError('no')],
    ['error', new InDoubtError('perhaps')],
    ['timeout', new QueryTimeoutError(100)],
    ['aborted', new QueryAbortedError('left')],
    ['refused', new PoolTimeoutError('primary', 100, POOL, 1_000)],
    ['refused', new PoolOverloadedError('primary', POOL, 1_000)],
    ['refused', new CircuitOpenError('primary', 500)],
    ['refused', new ShutdownError('closed')],
  ];

  it.each(outcomes.map(([outcome, error]) => [outcome, error.name, error] as const))(
    '%s: %s',
    async (outcome, _, error) => {
      pipeline = (trip) => trip.settle(error, undefined);
      await expect(desk.send(request())).rejects.toBe(error);
      expect(records).toEqual([
        expect.objectContaining({ outcome, errorCode: error.code, rowCount: 0 }),
      ]);
    },
  );

  it('ok: with the rows of the answer', async () => {
    await expect(desk.send(request())).resolves.toEqual({ rows: [{}], rowCount: 1 });
    expect(records).toEqual([expect.objectContaining({ outcome: 'ok', rowCount: 1 })]);
  });
});

describe('the record', () => {
  it('tells where the time went', async () => {
    pipeline = (trip) => {
      trip.node = 'replica-1';
      trip.attempts = 2;
      trip.waitMs = 30;
      trip.serverMs = 50;
      clock.schedule(() => trip.settle(undefined, { rows: [], rowCount: 0 }), 100);
    };
    const sent = desk.send(request({ statement: { text: 'SELECT 2' } }));
    clock.advanceMs(100);
    await sent;
    expect(records).toEqual([
      {
        instance: 'default',
        node: 'replica-1',
        intent: 'read',
        text: 'SELECT 2',
        pinned: false,
        durationMs: 100,
        waitMs: 30,
        serverMs: 50,
        attempts: 2,
        rowCount: 0,
        outcome: 'ok',
        errorCode: undefined,
        sqlState: undefined,
        endedAtMs: clock.nowMs(),
      },
    ]);
  });

  it('comes once, after the caller was told, whatever comes later', async () => {
    await desk.send(request());
    entered[0]?.settle(new QueryError('late'), undefined);
    entered[0]?.interrupt(new ShutdownError('late'));
    expect(records).toHaveLength(1);
  });

  it('is not made for a lease, nor when nobody listens', async () => {
    pipeline = (trip) => trip.settle(undefined, 'the lease');
    await expect(desk.sendForLease({})).resolves.toBe('the lease');
    expect(records).toEqual([]);
    const silent = new TripDesk('other', clock, new Events(), (trip) => trip.settle(undefined, {}));
    await expect(silent.send(request())).resolves.toEqual({});
  });

  it('says that a statement ran on the connection of a transaction', async () => {
    const pinned = { node: 'primary', enter: () => undefined };
    await desk.sendOn(pinned, { text: 'INSERT' });
    expect(records).toEqual([expect.objectContaining({ pinned: true, intent: 'write' })]);
  });

  it('of a failure of listening costs the caller nothing', async () => {
    events.on('query:done', () => {
      throw new Error('a listener');
    });
    await expect(desk.send(request())).resolves.toBeDefined();
  });
});

describe('a signal that is aborted before the call', () => {
  it('rejects at once, with its reason, and nothing is sent', async () => {
    const reason = new Error('never mind');
    const sent = desk.send(request({ signal: AbortSignal.abort(reason) }));
    await expect(sent).rejects.toMatchObject({
      code: 'DB_QUERY_ABORTED',
      cause: reason,
      safeToRetry: true,
    });
    expect(entered).toEqual([]);
  });
});

describe('the ways in', () => {
  it('ask for what their names say', async () => {
    const pinned = { node: 'primary', enter: () => undefined };
    const work = async (): Promise<number> => 1;
    await desk.sendOn(pinned, { text: 'COMMIT' }, { uncancellable: true });
    await desk.sendForLease({ intent: 'read', consistency: 'eventual' });
    await desk.sendWork({ statement: { text: 'COPY' }, work, timeoutMs: 5 });
    expect(entered.map(({ request: sent }) => sent)).toMatchObject([
      { statement: { text: 'COMMIT' }, pinned, wants: 'result', uncancellable: true },
      { wants: 'lease', repeatable: true, intent: 'read', consistency: 'eventual' },
      { statement: { text: 'COPY' }, work, timeoutMs: 5, wants: 'result', repeatable: false },
    ]);
  });
});
