// Who shares a connection, who is rescued from behind whom, and that each caller is told once, whatever happens.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  ParameterError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
  ShutdownError,
} from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import type { FakeClock } from '../testing/fake-clock.js';
import type { FakeAnswer } from '../testing/fake-answer.js';
import type { FakeConnection } from '../testing/fake-connection.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { leaseOf, PoolBench } from '../testing/pool-bench.js';
import { errorOf, isAnswered } from '../testing/trip-bench.js';
import type { BenchedTrip } from '../testing/trip-bench.js';
import type { LaneStats } from './pool-stats.js';
import type { PoolOptions } from './pool.options.js';
import type { Pool } from './pool.js';

const FAST = 'select fast';
const SLOW = 'select slow';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let enter: Enter;
let keepsBackend = true;
let sent: BenchedTrip[] = [];

async function open(options: Partial<PoolOptions> = {}): Promise<void> {
  const size = { max: 16, min: 16, maxConnecting: 16 };
  const server = { keepsBackend: () => keepsBackend, latencyMs: () => 0.5 };
  ({ pool, enter } = bench.pool({ ...size, ...options }, server));
  pool.start();
  await clock.elapseMs(0);
}

beforeEach(() => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
  keepsBackend = true;
  sent = [];
});

afterEach(async () => {
  driver.script = () => undefined;
  await bench.close(pool);
  // Each was told, and once.
  expect(sent.filter(({ ends }) => ends.length !== 1)).toEqual([]);
  expect(pool.stats()).toMatchObject({ total: 0, leased: 0, waiting: 0, lane: { inFlight: 0 } });
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

function send(text = FAST, request: Partial<TripRequest> = {}): BenchedTrip {
  const statement = { text };
  const benched = bench.send(enter, { repeatable: true, shape: text, statement, ...request });
  sent.push(benched);
  return benched;
}

/** Runs a text as often as it takes to be known as fast. */
async function makeKnown(text = FAST): Promise<void> {
  for (let run = 0; run < 4; run++) {
    send(text);
    await clock.elapseMs(0);
  }
  sent = [];
}

const lane = (): LaneStats => pool.stats().lane;
/** Every statement from now on is answered like this. */
const answer = (given: FakeAnswer | ((text: string) => FakeAnswer | undefined)): void => {
  driver.script = ({ text }) => (typeof given === 'function' ? given(text) : given);
};
/** Slow statements hang until they are answered; the others are answered at once. */
const hangSlow = (): void => answer((text) => (text === SLOW ? { hangs: true } : {}));
const answerHanging = (): void => {
  for (const connection of driver.connections) connection.answer({});
};
const isBusy = ({ underWay }: FakeConnection): boolean => underWay > 0;

describe('who shares', () => {
  beforeEach(() => open());

  it('nobody before his text has shown to be fast', async () => {
    for (let run = 0; run < 4; run++) {
      send();
      await clock.elapseMs(0);
    }
    expect(lane().sent).toBe(0);
    send();
    expect(lane()).toMatchObject({ sent: 1, connections: 1, inFlight: 1 });
  });

  it('nobody whose text is slow on a connection of its own', async () => {
    answer({ afterMs: 5 });
    for (let run = 0; run < 20; run++) {
      send();
      await clock.elapseMs(5);
    }
    expect(lane().sent).toBe(0);
  });

  it('the best of many runs counts, for the others tell how busy the server is', async () => {
    let run = 0;
    answer(() => ({ afterMs: ++run === 3 ? 0.4 : 40 }));
    for (let at = 0; at < 4; at++) {
      send();
      await clock.elapseMs(40);
    }
    answer({});
    send();
    expect(lane().sent).toBe(1);
  });

  it('nobody who did not say that he only reads', async () => {
    await makeKnown();
    send(FAST, { shape: undefined });
    expect(lane().inFlight).toBe(0);
  });

  it('nobody with large parameters', async () => {
    await makeKnown();
    const statement = { text: FAST, values: ['x'.repeat(70_000)] };
    send(FAST, { statement });
    send(FAST, { statement: { text: FAST, values: [Buffer.alloc(70_000)] } });
    expect(lane().inFlight).toBe(0);
    send(FAST, { statement: { text: FAST, values: ['x'.repeat(60_000), 5, null] } });
    expect(lane().inFlight).toBe(1);
  });

  it('eight on one connection before the next one is taken, then the emptiest one', async () => {
    await makeKnown();
    answer({ hangs: true });
    for (let count = 0; count < 8; count++) send();
    expect(lane()).toMatchObject({ connections: 1, inFlight: 8 });
    send();
    expect(lane()).toMatchObject({ connections: 2, inFlight: 9 });
    for (let count = 0; count < 23; count++) send();
    expect(lane()).toMatchObject({ connections: 4, inFlight: 32 });
    send();
    send();
    // They leave with the turn.
    await clock.elapseMs(0);
    const loads = driver.connections.filter(isBusy).map(({ underWay }) => underWay);
    expect(loads.toSorted()).toEqual([8, 8, 9, 9]);
    expect(pool.stats().leased).toBe(4);
  });

  it('no more than a few on each; the others wait and are served in their turn', async () => {
    await makeKnown();
    answer({ hangs: true });
    for (let count = 0; count < 200; count++) send();
    const { inFlight, waiting } = lane();
    expect(inFlight + waiting).toBe(200);
    expect(inFlight).toBeLessThanOrEqual(4 * 24);
    expect(inFlight).toBeGreaterThanOrEqual(4 * 16);
    answer({});
    for (const connection of driver.connections) connection.answer({});
    await clock.elapseMs(0);
    expect(sent.every(isAnswered)).toBe(true);
    expect(lane()).toMatchObject({ inFlight: 0, waiting: 0, connections: 0 });
  });

  it('nobody whose answers are large: to read them holds others up, on any connection', async () => {
    const columns = Array.from({ length: 10 }, (_, at) => [`c${at}`, at] as const);
    const sentOf = async (rows: number): Promise<number> => {
      answer({ rows: Array(rows).fill(Object.fromEntries(columns)) });
      const before = lane().sent;
      for (let run = 0; run < 20; run++) {
        send();
        await clock.elapseMs(0);
      }
      return lane().sent - before;
    };
    expect(await sentOf(500)).toBe(0);
    expect(await sentOf(400)).toBe(16);
    expect(await sentOf(500)).toBe(1);
  });

  it('a connection goes back to the pool with its last answer', async () => {
    await makeKnown();
    send();
    expect(pool.stats()).toMatchObject({ leased: 1, idle: 15 });
    await clock.elapseMs(0);
    expect(pool.stats()).toMatchObject({ leased: 0, idle: 16 });
  });

  it('a connection goes back after a second, however busy it is', async () => {
    await makeKnown();
    answer({ afterMs: 0.2 });
    const used = new Set<number>();
    let isOver = false;
    const caller = (): void => {
      const { trip } = send();
      const settle = trip.settle.bind(trip);
      trip.settle = (error, result) => {
        settle(error, result);
        if (!isOver) caller();
      };
    };
    for (let count = 0; count < 6; count++) caller();
    for (let step = 0; step < 1_200; step++) await clock.elapseMs(1);
    for (const [at, { mostUnderWay }] of driver.connections.entries()) {
      if (mostUnderWay > 1) used.add(at);
    }
    expect(used.size).toBeGreaterThan(1);
    isOver = true;
    await clock.elapseMs(10);
    expect(lane().connections).toBe(0);
  });
});

describe('the lane is off', () => {
  it.each<[string, Partial<PoolOptions>]>([
    ['by option', { lane: false }],
    ['by the number of connections', { lane: 0 }],
    ['for a pool of three', { max: 3, min: 3 }],
  ])('%s', async (_, options) => {
    await open(options);
    await makeKnown();
    send();
    expect(lane()).toMatchObject({ max: 0, inFlight: 0 });
    expect(pool.stats().leased).toBe(1);
  });

  it('behind a pooler that shares backends', async () => {
    keepsBackend = false;
    await open();
    await makeKnown();
    send();
    expect(lane().inFlight).toBe(0);
  });

  it('while the pool is suspended: who comes then waits for the end of it', async () => {
    await open();
    await makeKnown();
    const suspended = pool.control.suspend(1_000);
    await clock.elapseMs(0);
    await suspended;
    const one = send();
    await clock.elapseMs(10);
    expect(one.ends).toEqual([]);
    pool.control.resume();
    await clock.elapseMs(10);
    expect(isAnswered(one)).toBe(true);
  });
});

describe('behind a read that takes long', () => {
  beforeEach(async () => {
    await open();
    await makeKnown();
    await makeKnown(SLOW);
    hangSlow();
  });

  it('others are sent again elsewhere, and answered once', async () => {
    const slow = send(SLOW);
    const others = Array.from({ length: 7 }, () => send());
    await clock.elapseMs(2);
    expect(others.some(isAnswered)).toBe(false);
    await clock.elapseMs(8);
    expect(others.every(isAnswered)).toBe(true);
    expect(slow.ends).toEqual([]);
    expect(lane()).toMatchObject({ stalls: 1, rescued: 7 });
    driver.connections.find(({ runningText }) => runningText === SLOW)?.answer({});
    await clock.elapseMs(10);
    expect(isAnswered(slow)).toBe(true);
    expect(lane()).toMatchObject({ connections: 0, inFlight: 0 });
    expect(pool.stats()).toMatchObject({ leased: 0, total: 16 });
  });

  it('others go on by another shared connection that is quick', async () => {
    send(SLOW);
    const behind = Array.from({ length: 7 }, () => send());
    answer((text) => (text === SLOW ? { hangs: true } : { afterMs: 0.45 }));
    let mostLeased = 0;
    // Between two looks, so that the second connection is busy at each of them.
    await clock.elapseMs(0.25);
    for (let step = 0; step < 30; step++) {
      // The first connection has its fill, so these keep a second one busy.
      send();
      await clock.elapseMs(0.5);
      mostLeased = Math.max(mostLeased, pool.stats().leased);
    }
    expect(lane()).toMatchObject({ stalls: 1, rescued: 7 });
    // Nine when each of them takes one for itself.
    expect(mostLeased).toBeLessThanOrEqual(3);
    await clock.elapseMs(20);
    expect(behind.every(isAnswered)).toBe(true);
    driver.connections.find(({ runningText }) => runningText === SLOW)?.answer({});
  });

  it('where all others are done, they are rescued at once: the machine is not busy', async () => {
    // Those of late were slow, so that a shared read may take 3 ms.
    answer({ afterMs: 0.9 });
    for (let run = 0; run < 2; run++) {
      send();
      await clock.elapseMs(0.9);
    }
    hangSlow();
    for (let run = 0; run < 4; run++) {
      send();
      await clock.elapseMs(0);
    }
    const behind = [send(SLOW), ...Array.from({ length: 7 }, () => send())].slice(1);
    // On another connection, and answered.
    send();
    await clock.elapseMs(2.2);
    expect(behind.every(isAnswered)).toBe(true);
    expect(lane()).toMatchObject({ stalls: 1, rescued: 7 });
    answerHanging();
  });

  it('while others are busy too, they are given more time', async () => {
    answer({ afterMs: 0.9 });
    send();
    await clock.elapseMs(0.9);
    answer((text) => (text === SLOW ? { hangs: true } : { afterMs: 0.3 }));
    send(SLOW);
    for (let at = 0; at < 7; at++) send();
    for (let step = 0; step < 10; step++) {
      send();
      await clock.elapseMs(0.29);
    }
    expect(lane().stalls).toBe(0);
    answer(() => ({}));
    answerHanging();
    await clock.elapseMs(20);
  });

  it('who was rescued once waits behind no second one: he goes on alone', async () => {
    send(SLOW);
    const behind = [send(SLOW), ...Array.from({ length: 6 }, () => send())];
    answer((text) => (text === SLOW ? { hangs: true } : { afterMs: 0.8 }));
    for (let step = 0; step < 40; step++) {
      send();
      await clock.elapseMs(0.5);
    }
    // Behind the first one were seven, behind the second one the six that had come with it, and newcomers.
    expect(lane().stalls).toBe(2);
    expect(lane().rescued).toBeGreaterThanOrEqual(13);
    await clock.elapseMs(20);
    expect(behind.slice(1).every(isAnswered)).toBe(true);
    for (const connection of driver.connections) {
      if (connection.runningText === SLOW) connection.answer({});
    }
  });

  it('nobody new comes, and its text shares nothing meanwhile', async () => {
    send(SLOW);
    send();
    await clock.elapseMs(10);
    send();
    await clock.elapseMs(1);
    expect(sent.at(-1)?.ends).toHaveLength(1);
    const before = lane().sent;
    send(SLOW);
    expect(lane().sent).toBe(before);
    for (const connection of driver.connections) connection.answer({});
  });

  it('its text leaves the lane for a while when that happens twice', async () => {
    for (let time = 0; time < 2; time++) {
      send(SLOW);
      send();
      await clock.elapseMs(150);
      driver.connections.find(({ runningText }) => runningText === SLOW)?.answer({});
      await clock.elapseMs(1);
    }
    answer({});
    const before = lane().sent;
    for (let run = 0; run < 20; run++) {
      send(SLOW);
      await clock.elapseMs(0);
    }
    expect(lane().sent).toBe(before);
    await clock.elapseMs(1_100);
    send(SLOW);
    // A connection that rested is asked first whether it lives.
    await clock.elapseMs(1);
    expect(lane().sent).toBe(before + 1);
  });

  it('nobody is rescued because the process stood still: the answers were there', async () => {
    answer({ afterMs: 1 });
    send();
    send();
    clock.blockMs(200);
    await clock.elapseMs(2);
    expect(lane()).toMatchObject({ stalls: 0, rescued: 0 });
  });

  it('it is cancelled only when nobody waits for anything on its connection any more', async () => {
    const slow = send(SLOW, { timeoutMs: 30 });
    const other = send();
    await clock.elapseMs(20);
    expect(isAnswered(other)).toBe(true);
    const connection = driver.connections.find(({ runningText }) => runningText === SLOW);
    expect(connection?.cancels).toBe(0);
    await clock.elapseMs(40);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(connection?.cancels).toBe(1);
    expect(pool.stats()).toMatchObject({ leased: 0, total: 16 });
  });

  it('a caller may go away before and after he was rescued', async () => {
    const one = send(SLOW);
    const two = send();
    two.trip.interrupt(new QueryAbortedError('enough'));
    await clock.elapseMs(10);
    one.trip.interrupt(new QueryAbortedError('enough'));
    await clock.elapseMs(50);
    expect(errorOf(one)).toBeInstanceOf(QueryAbortedError);
    expect(errorOf(two)).toBeInstanceOf(QueryAbortedError);
    expect(pool.stats()).toMatchObject({ leased: 0, total: 16 });
  });

  it('a server that does not let go loses the connection, not the callers', async () => {
    answer((text) => (text === SLOW ? { hangs: true, ignoresCancel: true } : {}));
    driver.connections.forEach((connection) => expect(connection.cancels).toBe(0));
    const slow = send(SLOW, { timeoutMs: 10 });
    const other = send();
    await clock.elapseMs(5_000);
    expect(errorOf(slow)).toBeInstanceOf(QueryTimeoutError);
    expect(isAnswered(other)).toBe(true);
    expect(pool.stats().leased).toBe(0);
  });
});

describe('in a batch', () => {
  beforeEach(async () => {
    await open();
    await makeQuick(FAST);
    await makeQuick(SLOW);
  });

  /** Runs a text as often as it takes to be answered together with others. */
  async function makeQuick(text: string): Promise<void> {
    await makeKnown(text);
    for (let run = 0; run < 40; run++) {
      send(text);
      await clock.elapseMs(0);
    }
    sent = [];
  }

  it('are quick ones that leave in one turn, when they are many', async () => {
    for (let count = 0; count < 4; count++) send();
    await clock.elapseMs(0);
    expect(lane().batched).toBe(0);
    for (let count = 0; count < 16; count++) send();
    await clock.elapseMs(0);
    // Eight on each of two connections.
    expect(lane().batched).toBe(16);
    expect(sent.every(isAnswered)).toBe(true);
  });

  it('are answered together, in one batch no more than eight', async () => {
    answer({ hangs: true });
    // Four connections with sixteen each.
    for (let count = 0; count < 64; count++) send();
    await clock.elapseMs(0);
    const [first] = driver.connections.filter(isBusy);
    for (let count = 0; count < 7; count++) first?.answer({});
    expect(sent.some(isAnswered)).toBe(false);
    first?.answer({});
    expect(sent.filter(isAnswered)).toHaveLength(8);
    answer({});
    for (const connection of driver.connections) connection.answer({});
    await clock.elapseMs(0);
    expect(sent.every(isAnswered)).toBe(true);
  });

  /** Reads under way on each connection when more come than there is room for. */
  async function fill(): Promise<number> {
    answer({ hangs: true });
    for (let count = 0; count < 1_500; count++) send();
    const { connections, inFlight, waiting } = lane();
    expect(inFlight + waiting).toBe(1_500);
    answer({});
    await clock.elapseMs(0);
    answerHanging();
    await clock.elapseMs(0);
    expect(sent.every(isAnswered)).toBe(true);
    return inFlight / connections;
  }

  it('may be many on each connection, for who comes behind them does not wait long', async () => {
    const each = await fill();
    expect(each).toBeGreaterThan(40);
    expect(each).toBeLessThanOrEqual(256);
    // They have taken no time at all.
    expect(await fill()).toBe(256);
  });

  it('are few on each connection when they take longer', async () => {
    answer({ afterMs: 0.3 });
    // Of several on one connection each but the first one shows what it takes beside the round trip.
    for (let count = 0; count < 40; count++) {
      for (let each = 0; each < 4; each++) send();
      await clock.elapseMs(2);
    }
    expect(await fill()).toBeLessThanOrEqual(24);
  });

  it('are none whose shape takes longer', async () => {
    answer({ afterMs: 0.3 });
    for (let count = 0; count < 40; count++) {
      send();
      await clock.elapseMs(0.8);
    }
    const before = lane();
    for (let count = 0; count < 8; count++) send();
    await clock.elapseMs(4);
    expect(lane().batched).toBe(before.batched);
    expect(lane().sent).toBe(before.sent + 8);
  });

  it('fails alone who fails; the others run again, and his shape is in no batch for a while', async () => {
    let count = 0;
    answer(() => (++count === 3 ? { error: new QueryError('division by zero') } : {}));
    for (let at = 0; at < 8; at++) send();
    await clock.elapseMs(0);
    expect(sent.map((trip) => errorOf(trip) instanceof QueryError)).toEqual([
      ...[false, false, true],
      ...[false, false, false, false, false],
    ]);
    expect(lane()).toMatchObject({ repeated: 7, inFlight: 0 });
    for (let run = 0; run < 3; run++) {
      for (let at = 0; at < 8; at++) send();
      await clock.elapseMs(0);
    }
    expect(lane().batched).toBe(0);
    for (let run = 0; run < 40; run++) {
      send();
      await clock.elapseMs(0);
    }
    for (let at = 0; at < 8; at++) send();
    await clock.elapseMs(0);
    expect(lane().batched).toBe(8);
  });

  it.each([
    ['somebody else waits for a connection', () => bench.send(enter, { wants: 'lease' })],
    ['the pool closes', () => pool.close()],
  ])('lets nobody else wait or fail while %s', async (_, meanwhile) => {
    const held = Array.from({ length: 15 }, () => bench.lend(enter));
    await Promise.all(held);
    answer({ hangs: true });
    for (let at = 0; at < 8; at++) send();
    await clock.elapseMs(0);
    const [busy] = driver.connections.filter(isBusy);
    const begun = meanwhile();
    await clock.elapseMs(0);
    answer({});
    busy?.answer({});
    busy?.answer({ error: new QueryError('division by zero') });
    await clock.elapseMs(0);
    expect(sent.filter(isAnswered)).toHaveLength(7);
    if (!(begun instanceof Promise)) held.push(Promise.resolve(leaseOf(begun)));
    for (const lease of await Promise.all(held)) lease.release();
    await begun;
  });

  /** One of the same shape as the others. */
  const sendOdd = (text = FAST): BenchedTrip =>
    send(text, { statement: { text, values: ['odd'] } });
  const hangOdd = (): void => {
    driver.script = ({ values }) => (values?.[0] === 'odd' ? { hangs: true } : {});
  };
  it('with a slow one each runs again alone; what is left of the batch is cancelled', async () => {
    hangOdd();
    for (let at = 0; at < 3; at++) send();
    const odd = sendOdd();
    for (let at = 0; at < 4; at++) send();
    await clock.elapseMs(0);
    const stalled = driver.connections.find(isBusy);
    expect(sent.some(isAnswered)).toBe(false);
    await clock.elapseMs(8);
    expect(sent.filter(isAnswered)).toHaveLength(7);
    expect(odd.ends).toEqual([]);
    expect(lane()).toMatchObject({ stalls: 1, rescued: 8 });
    expect(stalled?.cancels).toBe(0);
    await clock.elapseMs(20);
    expect(stalled?.cancels).toBe(1);
    expect(stalled?.underWay).toBe(0);
    expect(lane().connections).toBe(0);
    // The slow one is where it was sent again, on a connection of its own.
    expect(pool.stats()).toMatchObject({ leased: 1, total: 16 });
    answerHanging();
    expect(isAnswered(odd)).toBe(true);
  });

  it('are of one shape each: a slow shape holds up its own batch, and runs once', async () => {
    hangSlow();
    for (let at = 0; at < 5; at++) send();
    const slow = send(SLOW);
    for (let at = 0; at < 2; at++) send();
    await clock.elapseMs(0);
    // Those before it and, in the same batch, those behind it.
    expect(sent.filter(isAnswered)).toHaveLength(7);
    await clock.elapseMs(50);
    expect(slow.ends).toEqual([]);
    const runs = driver.connections.flatMap(({ statements }) => statements);
    expect(runs.filter(({ text }) => text === SLOW)).toHaveLength(45);
    answerHanging();
    expect(isAnswered(slow)).toBe(true);
  });

  it('a shape that may be the slow one shares nothing until it was fast alone', async () => {
    driver.script = () => ({ hangs: true });
    for (let at = 0; at < 7; at++) send();
    sendOdd();
    await clock.elapseMs(8);
    const before = lane().sent;
    send();
    expect(lane().sent).toBe(before);
    await clock.elapseMs(5);
    answer({});
    answerHanging();
    await clock.elapseMs(50);
    send();
    expect(lane().sent).toBe(before);
    await clock.elapseMs(1);
    send();
    expect(lane().sent).toBe(before + 1);
  });

  it('a shape that holds others up twice leaves the lane for a while', async () => {
    for (let time = 0; time < 2; time++) {
      hangOdd();
      for (let at = 0; at < 7; at++) send();
      sendOdd();
      await clock.elapseMs(150);
      answerHanging();
      await clock.elapseMs(1);
      expect(lane().stalls).toBe(time + 1);
    }
    answer({});
    const before = lane().sent;
    for (let run = 0; run < 20; run++) {
      send();
      await clock.elapseMs(0);
    }
    expect(lane().sent).toBe(before);
    send(SLOW);
    await clock.elapseMs(1);
    expect(lane().sent).toBe(before + 1);
  });

  it('that is lost with its connection runs again', async () => {
    answer({ hangs: true });
    for (let at = 0; at < 8; at++) send();
    await clock.elapseMs(0);
    answer({});
    driver.connections.find(isBusy)?.lose('killed');
    await clock.elapseMs(10);
    expect(sent.every(isAnswered)).toBe(true);
    expect(lane().repeated).toBe(8);
  });
});

describe('errors and losses', () => {
  beforeEach(async () => {
    await open();
    await makeKnown();
  });

  it('an error is that of its own statement', async () => {
    let count = 0;
    answer(() => (++count === 3 ? { error: new QueryError('division by zero') } : {}));
    const trips = Array.from({ length: 6 }, () => send());
    await clock.elapseMs(0);
    expect(trips.map(errorOf).filter((error) => error instanceof QueryError)).toHaveLength(1);
    expect(trips.filter(isAnswered)).toHaveLength(5);
  });

  it('a value that cannot be sent fails its own caller, in the middle of others', async () => {
    const bad = { text: FAST, values: [() => 1] };
    const trips = [send(), send(FAST, { statement: bad }), send(), send(FAST, { statement: bad })];
    await clock.elapseMs(0);
    expect(errorOf(trips[1] as BenchedTrip)).toBeInstanceOf(ParameterError);
    trips.push(send());
    await clock.elapseMs(20);
    expect(trips.map(isAnswered)).toEqual([true, false, true, false, true]);
    expect(lane()).toMatchObject({ inFlight: 0, stalls: 0, connections: 0 });
  });

  it('a connection that has met a standby answers nobody who needs the primary', async () => {
    const text = 'select current';
    await makeKnown(text);
    answer({ hangs: true });
    for (let count = 0; count < 4 * 24; count++) send();
    const late = send(text);
    late.trip.needsPrimary = true;
    for (const connection of driver.connections.filter(isBusy)) connection.isStandby = true;
    expect(lane().waiting).toBeGreaterThan(0);
    answer({});
    for (const connection of driver.connections) connection.answer({});
    await clock.elapseMs(10);
    expect(isAnswered(late)).toBe(true);
    const askedLast = driver.connections.filter(
      ({ statements }) => statements.at(-1)?.text === text,
    );
    expect(askedLast.length).toBeGreaterThan(0);
    expect(askedLast.some(({ isStandby }) => isStandby === true)).toBe(false);
  });

  it('a connection that has met a standby goes back when nobody else shares it', async () => {
    for (const connection of driver.connections) connection.isStandby = true;
    answer({ hangs: true });
    const late = bench.open({ repeatable: true, shape: FAST, statement: { text: FAST } });
    late.trip.needsPrimary = true;
    enter(late.trip);
    expect(errorOf(late)).toBeInstanceOf(ConnectionError);
    expect(lane()).toMatchObject({ connections: 0, inFlight: 0 });
    expect(pool.stats().leased).toBe(0);
  });

  it('a connection that dies under a hundred reads fails none of them', async () => {
    answer({ hangs: true });
    for (let count = 0; count < 100; count++) send();
    await clock.elapseMs(0);
    const dead = driver.connections.filter(isBusy);
    answer({});
    for (const connection of dead) connection.lose('killed');
    await clock.elapseMs(10);
    expect(sent.every(isAnswered)).toBe(true);
    expect(lane().repeated).toBeGreaterThanOrEqual(64);
  });

  it('with no server left each gets the failure to connect', async () => {
    answer({ hangs: true });
    for (let count = 0; count < 20; count++) send();
    driver.connectScript = () => ({
      error: new ConnectionError('refused', { safeToRetry: true, outage: true }),
    });
    for (const connection of driver.connections) connection.lose('power failure');
    await clock.elapseMs(100);
    expect(sent.every((trip) => errorOf(trip) instanceof ConnectionError)).toBe(true);
  });

  it('those who wait are bounded in number and time', async () => {
    await pool.close();
    await open({ maxWaiting: 10, acquireTimeoutMs: 50 });
    await makeKnown();
    answer({ hangs: true });
    for (let count = 0; count < 150; count++) send(FAST, { timeoutMs: 10_000 });
    const refused = sent.map(errorOf).filter((error) => error instanceof PoolOverloadedError);
    expect(refused.length).toBeGreaterThan(0);
    expect(lane().waiting).toBe(10);
    await clock.elapseMs(60);
    expect(sent.map(errorOf).some((error) => error instanceof PoolTimeoutError)).toBe(true);
    expect(lane().waiting).toBe(0);
  });

  it('when the pool closes, those who wait are refused and those under way are ended', async () => {
    answer({ hangs: true });
    for (let count = 0; count < 150; count++) send(FAST, { timeoutMs: 60_000 });
    await bench.close(pool);
    expect(sent.every((trip) => errorOf(trip) instanceof ShutdownError)).toBe(true);
  });
});

describe('beside borrowers', () => {
  it('a lane without a connection waits in the queue of the pool, and serves all with one', async () => {
    await open({ max: 4, min: 4 });
    await makeKnown();
    const held = Array.from({ length: 4 }, () => pool.take());
    const trips = Array.from({ length: 10 }, () => send());
    expect(lane()).toMatchObject({ waiting: 10, connections: 0 });
    expect(pool.stats().waiting).toBe(10);
    for (const pooled of held) if (pooled !== undefined) pool.give(pooled);
    await clock.elapseMs(0);
    expect(trips.every(isAnswered)).toBe(true);
  });
});
