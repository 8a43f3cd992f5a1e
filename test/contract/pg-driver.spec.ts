// The adapter to `pg` keeps the contract of a driver, on a real server.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { Readable } from 'node:stream';
import { ConnectionError, QueryError } from 'nestjs-database';
import pg from 'pg';
import { Checks } from '../../libs/database/src/kernel/option-checks.js';
import type { Connection, Submittable } from '../../libs/database/src/driver/driver.js';
import { pgDriver } from '../../libs/database/src/driver/pg-driver.js';
import { parseTarget } from '../../libs/database/src/driver/target.js';
import type { ConnectionTarget } from '../../libs/database/src/driver/target.js';
import { driverContract } from '../../libs/database/src/testing/driver-contract.js';
import { CONTRACT_SQL } from '../../libs/database/src/testing/driver-subject.js';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
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
/** The result of a statement, or what it failed with. */
const answer = (connection: Connection, text: string, name?: string): Promise<unknown> =>
  new Promise((resolve) =>
    connection.execute({ text, name }, { replied: (error, result) => resolve(error ?? result) }),
  );

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

  it.each([true, false])(
    'keeps names of statements: %p, where backends are kept',
    async (keeps) => {
      const connection = await pgDriver.connect(target(), 5_000, {
        keepsBackend: () => keeps,
        preparedMax: 256,
      });
      await answer(connection, 'select 1', 'one');
      const known = await answer(connection, 'select name from pg_prepared_statements');
      expect(known).toMatchObject({ rows: keeps ? [{ name: 'one' }] : [] });
      await connection.end(2_000);
    },
  );

  it('does not know whether a COPY was stored whose connection was lost', async () => {
    const proxy = await startFaultProxy({ targetPort: target().port });
    try {
      const port = Number(new URL(proxy.url(database.url)).port);
      const connection = await pgDriver.connect(target({ port }), 5_000);
      await answer(connection, 'CREATE TEMP TABLE contract (n int)');
      const rows = async function* (): AsyncGenerator<string> {
        for (let n = 0; n < 50_000; n++) {
          yield `${n}\n`;
          if (n === 1_000) proxy.killAll();
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const copying = connection.copyIn(CONTRACT_SQL.copyIn, Readable.from(rows()));
      const error = await failure(copying, ConnectionError);
      expect(error).toMatchObject({ safeToRetry: false, outage: true });
      expect(connection.isUsable).toBe(false);
    } finally {
      await proxy.stop();
    }
  });

  describe('lets a submittable talk to the server', () => {
    /** A query of `pg` itself, which speaks the protocol. */
    const newQuery = (text: string): { query: Submittable; ended: Promise<unknown> } => {
      let tell: (outcome: unknown) => void = () => undefined;
      const ended = new Promise<unknown>((resolve) => (tell = resolve));
      const callback = (error: unknown, result: { rows: unknown[] } | undefined): void =>
        tell(error ?? result?.rows);
      const query = new pg.Query({ text }, callback as never) as unknown as Submittable;
      return { query, ended };
    };

    it('and resolves when the server is ready again', async () => {
      const connection = await connect();
      const { query, ended } = newQuery('SELECT 1 AS one');
      await connection.submit(query);
      expect(await ended).toEqual([{ one: 1 }]);
      expect(await answer(connection, CONTRACT_SQL.one)).toMatchObject({ rows: [{ one: 1 }] });
      await connection.end(2_000);
    });

    it('and tells both what the server refuses, translated', async () => {
      const connection = await connect();
      const { query, ended } = newQuery('SELEC');
      const error = await failure(connection.submit(query), QueryError);
      expect(error.sqlState).toBe('42601');
      expect(await ended).toBe(error);
      expect(await answer(connection, CONTRACT_SQL.one)).toMatchObject({ rows: [{ one: 1 }] });
      await connection.end(2_000);
    });

    it('and tells both that the connection is gone already', async () => {
      const connection = await connect();
      await connection.end(2_000);
      const { query, ended } = newQuery('SELECT 1');
      const error = await failure(connection.submit(query), ConnectionError);
      expect(await ended).toBe(error);
    });
  });

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
    await answer(connection, 'LISTEN contract');
    await answer(connection, `NOTIFY contract, 'first'`);
    leave();
    await answer(connection, `NOTIFY contract, 'second'`);
    await connection.end(2_000);
    expect(heard).toEqual(['first']);
  });
});
