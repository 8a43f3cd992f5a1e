// A server that is not who it was taken for: what becomes of its connections, idle and in use.
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeDriver } from '../testing/fake-driver.js';
import { evict } from './eviction.js';
import { Pool } from './pool.js';
import { POOL_DEFAULTS } from './pool.options.js';
import type { PooledConnection } from './pooled-connection.js';

let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let taken: PooledConnection;

beforeEach(async () => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  pool = new Pool({
    node: 'primary',
    options: { ...POOL_DEFAULTS, max: 3, min: 3 },
    clock,
    events: new Events(),
    connect: () => driver.connect({} as ConnectionTarget, 500),
  });
  pool.start();
  await clock.elapseMs(10);
  const connection = pool.take();
  if (connection === undefined) throw new Error('The pool is warm.');
  taken = connection;
});

afterEach(async () => {
  const closing = pool.close();
  await clock.elapseMs(60_000);
  await closing;
});

it('closes what rests at once, and what is in use when it comes back; new ones take their place', async () => {
  expect(evict(pool, { reason: 'a test', cutsLeased: false })).toBe(3);
  expect(taken.connection.isUsable).toBe(true);
  pool.give(taken);
  await clock.elapseMs(10);
  expect(taken.connection.isUsable).toBe(false);
  expect([driver.connections.length, driver.open.length]).toEqual([6, 3]);
});

it('cuts what is in use where nothing may run there any more', () => {
  expect(evict(pool, { reason: 'a test', cutsLeased: true })).toBe(3);
  expect(taken.connection.isUsable).toBe(false);
});

it('leaves alone what is wanted', () => {
  for (const connection of driver.connections)
    connection.isStandby = connection === taken.connection;
  const unwanted = ({ isStandby }: { isStandby: boolean | undefined }): boolean =>
    isStandby !== false;
  expect(evict(pool, { reason: 'a test', cutsLeased: true, unwanted })).toBe(1);
  expect([taken.connection.isUsable, driver.open.length]).toEqual([false, 2]);
});
