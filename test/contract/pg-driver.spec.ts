// The adapter to `pg` keeps the contract of a driver, on a real server.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { Checks } from '../../libs/database/src/kernel/option-checks.js';
import type { Connection } from '../../libs/database/src/driver/driver.js';
import { pgDriver } from '../../libs/database/src/driver/pg-driver.js';
import { parseTarget } from '../../libs/database/src/driver/target.js';
import type { ConnectionTarget } from '../../libs/database/src/driver/target.js';
import { driverContract } from '../../libs/database/src/testing/driver-contract.js';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('driver_contract');
useLeakCheck({ database });

let silent: Server;
let closedPort: number;

beforeAll(async () => {
  closedPort = await findFreePort('nobody listens here');
  silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
});
afterAll(() => new Promise((resolve) => silent.close(resolve)));

function target(change: Partial<ConnectionTarget> = {}): ConnectionTarget {
  const checks = new Checks();
  const defaults = { tls: { mode: 'disable' }, applicationName: 'driver contract' } as const;
  const parsed = parseTarget('url', database.url, defaults, checks);
  checks.throwIfAny();
  return { ...(parsed as ConnectionTarget), ...change };
}

const connect = (): Promise<Connection> => pgDriver.connect(target(), 5_000);

describe('pgDriver', () => {
  const cases = driverContract({
    connect,
    connectToNobody: () => pgDriver.connect(target({ port: closedPort }), 5_000),
    connectToSilence: () => {
      const { port } = silent.address() as AddressInfo;
      return pgDriver.connect(target({ port }), 100);
    },
    kill: async ({ backendPid }) => {
      await database.sql('SELECT pg_terminate_backend($1)', [backendPid]);
    },
  });
  for (const { name, run } of cases) it(name, run);

  it('gives each session a backend of its own', async () => {
    const connections = await Promise.all([connect(), connect(), connect()]);
    const pids = new Set(connections.map(({ backendPid }) => backendPid));
    await Promise.all(connections.map((connection) => connection.end(2_000)));
    expect(pids.size).toBe(3);
  });

  it('tells listeners about notifications until they leave', async () => {
    const connection = await connect();
    const heard: unknown[] = [];
    const leave = connection.listen('notification', ({ payload }: { payload: string }) =>
      heard.push(payload),
    );
    const run = (text: string): Promise<unknown> =>
      new Promise((resolve) => connection.execute({ text }, { replied: resolve }));
    await run('LISTEN contract');
    await run(`NOTIFY contract, 'first'`);
    leave();
    await run(`NOTIFY contract, 'second'`);
    await connection.end(2_000);
    expect(heard).toEqual(['first']);
  });
});
