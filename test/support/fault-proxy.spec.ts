// The fault proxy does to a real connection what its modes say.
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { startFaultProxy } from './fault-proxy.js';
import type { FaultProxy } from './fault-proxy.js';
import { sql, useTestDatabase, waitFor } from './postgres.js';

const database = useTestDatabase('proxy');
let proxy: FaultProxy;
const clients: pg.Client[] = [];

beforeEach(async () => {
  proxy = await startFaultProxy({ targetPort: Number(new URL(database.url).port) });
});

afterEach(async () => {
  await proxy.stop();
  clients.splice(0).forEach((client) => void client.end().catch(() => undefined));
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: proxy.url(database.url) });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

/** `pending` when there is no outcome while the server does other work. */
async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = promise.then(
    () => 'answered',
    (error: unknown) => error,
  );
  return Promise.race([outcome, sql(database.url, 'select pg_sleep(0.3)').then(() => 'pending')]);
}

it('passes, and counts', async () => {
  const client = await connect();
  const { rows } = await client.query(`select repeat('x', 1000000) as long`);
  expect(rows[0].long).toHaveLength(1_000_000);
  expect(proxy.connections).toBe(1);
  expect(proxy.counters.accepted).toBe(1);
  expect(proxy.counters.bytesToClient).toBeGreaterThan(1_000_000);
  expect(proxy.counters.bytesToServer).toBeGreaterThan(50);
  await client.end();
  await waitFor(() => proxy.connections === 0, { describe: 'the end of the connection' });
});

it('swallows both ways as a black hole, for new connections too', async () => {
  const client = await connect();
  await proxy.setMode('blackhole');
  expect(await outcomeOf(client.query('create table unseen ()'))).toBe('pending');
  expect(await outcomeOf(connect())).toBe('pending');
  expect(await database.sql(`select to_regclass('unseen')::text as found`)).toEqual([
    { found: null },
  ]);
  expect(proxy.counters.bytesSwallowed).toBeGreaterThan(0);
});

it('lets the server act, and drops its answers', async () => {
  const client = await connect();
  await proxy.setMode('drop-responses');
  expect(await outcomeOf(client.query('create table acted ()'))).toBe('pending');
  expect(await database.sql(`select to_regclass('acted')::text as found`)).toEqual([
    { found: 'acted' },
  ]);
});

it('drops requests, and hands on what the server says by itself', async () => {
  const client = await connect();
  const notices: unknown[] = [];
  client.on('notification', ({ payload }) => notices.push(payload));
  await client.query('listen news');
  await proxy.setMode('drop-requests');
  expect(await outcomeOf(client.query('select 1'))).toBe('pending');
  await database.sql(`notify news, 'heard'`);
  await waitFor(() => notices.length > 0, { describe: 'the notification' });
  expect(notices).toEqual(['heard']);
});

it('resets the connections that exist and those that come', async () => {
  const client = await connect();
  const lost = new Promise((resolve) => client.once('error', resolve));
  await proxy.setMode('reset');
  expect(await lost).toMatchObject({ code: 'ECONNRESET' });
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNRESET' });
  await proxy.setMode('pass');
  expect(await outcomeOf((await connect()).query('select 1'))).toBe('answered');
});

it('refuses new connections on its port, and leaves the others alone', async () => {
  const client = await connect();
  await proxy.setMode('refuse');
  await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await outcomeOf(client.query('select 1'))).toBe('answered');
  await proxy.setMode('pass');
  await connect();
});

it('delays every answer, in order', async () => {
  const client = await connect();
  proxy.delayMs = 150;
  const startedAt = performance.now();
  await client.query('select 1');
  expect(performance.now() - startedAt).toBeGreaterThan(250);
  proxy.delayMs = 0;
  const { rows } = await client.query('select generate_series(1, 20000) as n');
  expect(rows.at(-1)).toEqual({ n: 20_000 });
});

it('kills connections, and the server hears of it', async () => {
  const client = await connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  proxy.killAll();
  await waitFor(
    async () => {
      const left = await database.sql('select from pg_stat_activity where pid = $1', [rows[0].pid]);
      return left.length === 0;
    },
    { describe: 'the end of the session' },
  );
  expect(proxy.counters.reset).toBe(1);
});

it('tells nobody of the other’s end while it is a black hole', async () => {
  const client = await connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  await proxy.setMode('blackhole');
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
  await waitFor(() => proxy.connections === 0, { describe: 'the end on the client’s side' });
  const isThere = async (): Promise<boolean> =>
    (await database.sql('select from pg_stat_activity where pid = $1', [rows[0].pid])).length > 0;
  expect(await isThere()).toBe(true);
  await proxy.setMode('pass');
  await waitFor(async () => !(await isThere()), { describe: 'the end of the session' });
});
