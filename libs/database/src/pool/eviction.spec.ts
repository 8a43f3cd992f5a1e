// A server that is not who it was taken for: what becomes of its connections, idle and in use.
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { FakeClock } from '../testing/fake-clock.js';
import type { FakeDriver } from '../testing/fake-driver.js';
import { PoolBench } from '../testing/pool-bench.js';
import { evict } from './eviction.js';
import type { Pool } from './pool.js';
import type { PooledConnection } from './pooled-connection.js';

let bench: PoolBench;
let clock: FakeClock;
let driver: FakeDriver;
let pool: Pool;
let taken: PooledConnection;

beforeEach(async () => {
  bench = new PoolBench();
  ({ clock, driver } = bench);
  ({ pool } = bench.pool({ max: 3, min: 3 }));
  pool.start();
  await clock.elapseMs(10);
  const connection = pool.take();
  if (connection === undefined) throw new Error('The pool is warm.');
  taken = connection;
});

afterEach(() => bench.close(pool));

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
