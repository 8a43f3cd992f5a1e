// A CancelRequest that is still on its way when its statement has long ended: nobody else may be hit by it.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { QueryAbortedError } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const CANCEL_REQUEST = 80_877_102;
const database = useTestDatabase('late_cancel');
let relay: Server;
let app: DatabaseApp | undefined;
const open = new Set<Socket>();
/** Delivers the CancelRequests that were held back, and waits until the server has worked on them. */
let held: Array<() => Promise<void>> = [];

function relayTo(port: number): Server {
  return createServer((client) => {
    open.add(client);
    client.on('error', () => undefined);
    client.once('data', (first) => {
      const pass = (): Socket => {
        const server = connect(port, '127.0.0.1');
        open.add(server);
        server.on('error', () => undefined);
        server.write(first);
        return server;
      };
      if (first.readUInt32BE(4) === CANCEL_REQUEST) {
        held.push(async () => void (await once(pass().resume(), 'close')));
        return;
      }
      const server = pass();
      client.pipe(server).pipe(client);
    });
  });
}

beforeEach(async () => {
  held = [];
  relay = relayTo(Number(new URL(database.url).port)).listen(0, '127.0.0.1');
  await once(relay, 'listening');
});
afterEach(async () => {
  await app?.close();
  for (const socket of open) socket.destroy();
  relay.close();
});

it.failing(
  'does not cancel the statement that has the connection next',
  async () => {
    const url = new URL(database.url);
    url.port = String((relay.address() as AddressInfo).port);
    app = await startDatabaseApp({ url: url.href, pool: { max: 1, min: 1 } });
    const { db } = app;
    const caller = new AbortController();
    const aborted = db.query('select pg_sleep(0.3)', [], { signal: caller.signal });
    await waitFor(
      async () =>
        (
          await database.sql(
            `select 1 from pg_stat_activity where query like '%pg_sleep(0.3)%' and wait_event = 'PgSleep'`,
          )
        ).length === 1,
      { describe: 'the statement to run' },
    );
    caller.abort();
    await failure(aborted, QueryAbortedError);
    const next = db.query('select pg_sleep(0.4)').then(() => 'done', String);
    await waitFor(
      async () =>
        (
          await database.sql(
            `select 1 from pg_stat_activity where query like '%pg_sleep(0.4)%' and wait_event = 'PgSleep'`,
          )
        ).length === 1,
      { describe: 'the next statement to run' },
    );
    expect(held).toHaveLength(1);
    await Promise.all(held.map((deliver) => deliver()));
    expect(await next).toBe('done');
  },
  20_000,
);
