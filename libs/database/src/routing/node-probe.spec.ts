// Asks one node, on a connection of its own, and gives up in time.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { ConnectionError, QueryTimeoutError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { FakeAnswer } from '../testing/fake-answer.js';
import type { FakeScript } from '../testing/fake-connection.js';
import { FakeDriver, refusedConnection } from '../testing/fake-driver.js';
import { NodeProbe } from './node-probe.js';

const PRIMARY = {
  replica: false,
  lsn: '0/3000148',
  inserted: '0/3000150',
  received: null,
  replay_age_ms: null,
  walfile: '0000000A0000000000000003',
  followed: null,
  system_id: '7312345678901234567',
  version: 180_004,
};
const REPLICA = {
  ...PRIMARY,
  replica: true,
  received: '0/3000160',
  replay_age_ms: 1_234.5,
  walfile: null,
  inserted: null,
  followed: 9,
};

/** A server that gives this row, and its own process id. */
function answering(row: object, rest: FakeAnswer = {}): FakeScript {
  return (_statement, { backendPid }) => ({ rows: [{ ...row, pid: backendPid }], ...rest });
}

let clock: FakeClock;
let driver: FakeDriver;
let probe: NodeProbe;

beforeEach(() => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  driver.script = answering(PRIMARY, { afterMs: 3 });
  probe = new NodeProbe(() => driver.connect({} as ConnectionTarget, 500), clock, 1_000);
});

afterEach(() => {
  probe.close();
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

/** What comes of asking within `ms`. */
async function ask(ms = 10): Promise<unknown> {
  let outcome: unknown = 'pending';
  void probe.ask().then(
    (answer) => (outcome = answer),
    (error: unknown) => (outcome = error),
  );
  await clock.elapseMs(ms);
  return outcome;
}

describe('an answer', () => {
  it('of a primary has its position and its timeline', async () => {
    expect(await ask()).toEqual({
      role: 'primary',
      lsn: 0x300_0148n,
      endLsn: 0x300_0150n,
      askedAtMs: 0,
      receivedLsn: undefined,
      replayAgeMs: undefined,
      timeline: 10,
      systemId: '7312345678901234567',
      serverVersion: 180_004,
      latencyMs: 3,
      pooling: 'none',
    });
  });

  it('of a replica has how far it has come', async () => {
    driver.script = answering(REPLICA);
    expect(await ask()).toMatchObject({
      role: 'replica',
      receivedLsn: 0x300_0160n,
      replayAgeMs: 1_234.5,
      timeline: 9,
      endLsn: 0x300_0148n,
    });
  });

  it('of a replica that has replayed nothing yet is one as well', async () => {
    const row = { ...REPLICA, lsn: null, received: null, replay_age_ms: null };
    driver.script = answering(row);
    expect(await ask()).toMatchObject({ lsn: 0n, receivedLsn: undefined, replayAgeMs: undefined });
  });
});

describe('the connection', () => {
  it('is opened once and kept', async () => {
    for (let i = 0; i < 5; i++) await ask();
    expect(driver.attempts).toBe(1);
  });

  it('is replaced when it was lost', async () => {
    await ask();
    driver.open[0]?.lose('57P01');
    expect(await ask()).toMatchObject({ role: 'primary' });
    expect(driver.attempts).toBe(2);
  });

  it('is kept after an error of the server', async () => {
    const error = new QueryError('no', { sqlState: '42501' });
    driver.script = () => ({ error });
    expect(await ask()).toBe(error);
    driver.script = answering(PRIMARY);
    expect(await ask()).toMatchObject({ role: 'primary' });
    expect(driver.attempts).toBe(1);
  });

  it('that cannot be opened is told with its cause', async () => {
    const error = refusedConnection();
    driver.connectScript = () => ({ error });
    expect(await ask()).toBe(error);
  });

  it('that is lost while it is asked is told', async () => {
    driver.script = () => ({ loses: 'reset by peer' });
    expect(await ask()).toBeInstanceOf(ConnectionError);
  });
});

describe('a node that does not answer', () => {
  it('is given up after the timeout, with the timeout as the reason, and its connection cut', async () => {
    driver.script = () => ({ hangs: true });
    const outcome = ask(1_050);
    const error = (await outcome) as QueryTimeoutError;
    expect(error).toBeInstanceOf(QueryTimeoutError);
    expect(error).toMatchObject({ timeoutMs: 1_000, outage: true });
    expect(driver.open).toEqual([]);
  });

  it('has a moment more when the answer may lie unread', async () => {
    driver.script = answering(PRIMARY, { afterMs: 1_005 });
    expect(await ask(1_050)).toMatchObject({ role: 'primary' });
  });

  it('is asked on a new connection the next time', async () => {
    driver.script = () => ({ hangs: true });
    await ask(1_050);
    driver.script = answering(PRIMARY);
    expect(await ask()).toMatchObject({ role: 'primary' });
    expect(driver.attempts).toBe(2);
  });

  it('gives nothing when its answer has no row', async () => {
    driver.script = () => ({ rows: [] });
    expect(((await ask()) as Error).message).toMatch(/no row/);
  });
});
