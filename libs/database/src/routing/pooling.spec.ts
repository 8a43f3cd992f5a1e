// Telling a pooler by what it does: every case is a pooler as it behaves, at rest and under load.
import { beforeEach, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { FakeConnection } from '../testing/fake-connection.js';
import { FakeDriver, refusedConnection } from '../testing/fake-driver.js';
import { findPooling, PoolingWatch } from './pooling.js';
import type { PoolingSearch } from './pooling.js';

let clock: FakeClock;
let driver: FakeDriver;
let search: PoolingSearch;
let first: FakeConnection;

beforeEach(async () => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  const connect = async (): Promise<FakeConnection> => {
    await driver.connect({} as ConnectionTarget, 500);
    return driver.connections.at(-1) as FakeConnection;
  };
  search = { connect, clock, timeoutMs: 1_000 };
  first = await connect();
});

/** Backends that answer: by the connection that asks and how often it asked before. */
function backends(choose: (backendPid: number, times: number) => number): void {
  driver.script = (_statement, { backendPid, statements }) => ({
    rows: [{ pid: choose(backendPid, statements.length) }],
  });
}

it('is none where the backend is whom the connection says, and asks nobody', async () => {
  expect(await findPooling(first, first.backendPid, search)).toBe('none');
  expect(driver.attempts).toBe(1);
});

it('is a pooler of transactions where two connections meet one backend', async () => {
  backends(() => 7);
  expect(await findPooling(first, 7, search)).toBe('transaction');
});

it('is one where a connection meets two', async () => {
  backends((backendPid, times) => (backendPid === first.backendPid ? 10 + times : 50));
  expect(await findPooling(first, 10, search)).toBe('transaction');
});

it('is a pooler of sessions where each connection keeps its own', async () => {
  backends((backendPid) => backendPid * 2);
  expect(await findPooling(first, first.backendPid * 2, search)).toBe('session');
});

it('leaves no connection behind', async () => {
  backends(() => 7);
  await findPooling(first, 7, search);
  expect(driver.open).toEqual([first]);
  expect(clock.pendingTimers).toBe(0);
});

it('is looked for once, and again when the same connection answers from elsewhere', async () => {
  const watch = new PoolingWatch(search);
  backends((backendPid) => backendPid * 2);
  const pid = first.backendPid * 2;
  expect(await watch.look(first, pid)).toBe('session');
  expect(await watch.look(first, pid)).toBe('session');
  expect(driver.attempts).toBe(2);
  expect(await watch.look(first, pid + 1)).toBe('transaction');
  expect(await watch.look(first, pid + 1)).toBe('transaction');
});

it('is not known while no second connection can be had, and is looked for again', async () => {
  const watch = new PoolingWatch(search);
  driver.connectScript = () => ({ error: refusedConnection() });
  expect(await watch.look(first, 7)).toBeUndefined();
  driver.connectScript = () => undefined;
  backends(() => 7);
  expect(await watch.look(first, 7)).toBe('transaction');
});
