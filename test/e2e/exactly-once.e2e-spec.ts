// A COMMIT loses its answer, or its way: the transaction takes effect once, or the caller is told that nobody knows.
import { afterEach, describe, expect, it } from '@jest/globals';
import { InDoubtError, UsageError } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { startCluster, waitFor } from '../support/postgres.js';
import type { Cluster, ServerNode } from '../support/postgres.js';

let cluster: Cluster | undefined;
let app: DatabaseApp | undefined;
let proxy: FaultProxy | undefined;
afterEach(async () => {
  await app?.close();
  await proxy?.stop();
  await cluster?.stop();
});

interface Scene {
  readonly app: DatabaseApp;
  readonly proxy: FaultProxy;
  readonly server: ServerNode;
  readonly replica: ServerNode | undefined;
}

async function scene(
  transaction: DatabaseModuleOptions['transaction'] = {},
  replicas = 0,
): Promise<Scene> {
  // The log of a transaction reaches the disk with its COMMIT and not before: what a crash loses is lost for certain.
  cluster = await startCluster({ replicas, settings: { wal_writer_delay: '10s' } });
  const server = cluster.primary;
  await server.sql('create table entry (n int)');
  await cluster.replicasCaughtUp();
  proxy = await startFaultProxy({ targetPort: server.port });
  const [replica] = cluster.replicas;
  const hosts = [proxy.url(server.url()), ...(replica === undefined ? [] : [replica.url()])];
  app = await startDatabaseApp({
    hosts: hosts.map((url) => ({ url })),
    pool: { max: 4, min: 0, statementTimeoutMs: 500 },
    routing: { probeIntervalMs: 100, probeTimeoutMs: 300 },
    telemetry: { log: false },
    transaction,
  });
  return { app, proxy, server, replica };
}

/** Inserts a row once, and counts how often the callback ran. */
function insertOnce({ db }: DatabaseApp, exactlyOnce = true) {
  const runs = { count: 0 };
  const done = db.transaction(
    async (tx) => {
      runs.count++;
      await tx.query('insert into entry values (1)');
      return 'done';
    },
    { exactlyOnce },
  );
  done.catch(() => undefined);
  return { runs, done };
}

const countIn = async (server: ServerNode): Promise<number> => {
  const [row] = await server.sql<{ n: number }>('select count(*)::int as n from entry where n = 1');
  return row?.n ?? -1;
};
const isStored = (server: ServerNode) =>
  waitFor(async () => (await countIn(server)) === 1, { describe: 'the row to be committed' });

const COMMITS = { commitTable: 'public.commits' } as const;

describe('an exactly-once transaction', () => {
  it('returns when its COMMIT was done and only the answer was lost', async () => {
    const { app, proxy, server } = await scene();
    const resolved = app.record('transaction:resolved');
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const { runs, done } = insertOnce(app);
    await struck;
    await isStored(server);
    await proxy.setMode('pass');
    expect(await done).toBe('done');
    expect(runs.count).toBe(1);
    expect(await countIn(server)).toBe(1);
    expect(resolved).toEqual([expect.objectContaining({ outcome: 'committed' })]);
  }, 60_000);

  it('runs again when its COMMIT never arrived, and leaves no backend behind', async () => {
    const { app, proxy, server } = await scene();
    const struck = proxy.strikeOn('COMMIT', 'drop-requests');
    const { runs, done } = insertOnce(app);
    await struck;
    // The old connection stays black: its backend waits for a COMMIT that was swallowed.
    await waitFor(() => app.db.status().pools[0]?.total === 0, { describe: 'it to be given up' });
    await proxy.setMode('pass');
    expect(await done).toBe('done');
    expect(runs.count).toBe(2);
    expect(await countIn(server)).toBe(1);
    const idle = await server.sql(
      "select from pg_stat_activity where state like 'idle in transaction%'",
    );
    expect(idle).toEqual([]);
  }, 60_000);

  it('is in doubt after a crash, for its id may be another transaction by then', async () => {
    const { app, proxy, server } = await scene();
    const struck = proxy.strikeOn('COMMIT', 'drop-requests');
    const { runs, done } = insertOnce(app);
    await struck;
    await server.kill9();
    await server.start();
    // These take the ids that the crash has set free: pg_xact_status says `committed` of them.
    for (let i = 0; i < 5; i++) await server.sql('insert into entry values (2)');
    await proxy.setMode('pass');
    const error = await failure(done, InDoubtError);
    expect(error).toMatchObject({ xid: expect.stringMatching(/^\d+$/), timeline: 1 });
    expect(error.message).toContain('commitTable');
    expect(runs.count).toBe(1);
    expect(await countIn(server)).toBe(0);
  }, 60_000);

  it('outside of it is in doubt at once, as ever', async () => {
    const { app, proxy, server } = await scene();
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const { done } = insertOnce(app, false);
    await struck;
    await isStored(server);
    await proxy.setMode('pass');
    const error = await failure(done, InDoubtError);
    expect(error.xid).toBeUndefined();
  }, 60_000);

  it('that has only read is no doubt, and simply runs again', async () => {
    const { app, proxy } = await scene();
    const resolved = app.record('transaction:resolved');
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const reading = app.db.transaction((tx) => tx.query('select 1 as n'), { exactlyOnce: true });
    await struck;
    await waitFor(() => app.db.status().pools[0]?.total === 0, { describe: 'it to be given up' });
    await proxy.setMode('pass');
    expect((await reading).rows).toEqual([{ n: 1 }]);
    expect(resolved).toEqual([]);
  }, 60_000);

  it('cannot be asked for inside one that is not', async () => {
    const { app } = await scene();
    const work = app.db.transaction(() => insertOnce(app).done);
    expect((await failure(work, UsageError)).message).toContain('exactlyOnce');
    const inner = await app.db.transaction(() => insertOnce(app).done, { exactlyOnce: true });
    expect(inner).toBe('done');
  }, 60_000);
});

describe('with a commit table', () => {
  it('a crash after COMMIT is no doubt', async () => {
    const { app, proxy, server } = await scene(COMMITS);
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const { runs, done } = insertOnce(app);
    await struck;
    await isStored(server);
    await server.kill9();
    await proxy.setMode('pass');
    await server.start();
    expect(await done).toBe('done');
    expect(runs.count).toBe(1);
    expect(await countIn(server)).toBe(1);
  }, 60_000);

  it('a crash before COMMIT is none either, though the id is given again', async () => {
    const { app, proxy, server } = await scene(COMMITS);
    await insertOnce(app).done;
    const struck = proxy.strikeOn('COMMIT', 'drop-requests');
    const { runs, done } = insertOnce(app);
    await struck;
    await server.kill9();
    await server.start();
    for (let i = 0; i < 5; i++) await server.sql('insert into entry values (2)');
    await proxy.setMode('pass');
    expect(await done).toBe('done');
    expect(runs.count).toBe(2);
    expect(await countIn(server)).toBe(2);
  }, 60_000);

  it('a failover finds what was replicated', async () => {
    const { app, proxy, server, replica } = await scene(COMMITS, 1);
    if (replica === undefined) throw new Error('The cluster has a replica.');
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const { runs, done } = insertOnce(app);
    await struck;
    await isStored(replica);
    await server.kill9();
    await replica.promote();
    expect(await done).toBe('done');
    expect(runs.count).toBe(1);
    expect(await countIn(replica)).toBe(1);
  }, 60_000);

  it('a failover runs again what was not', async () => {
    const { app, proxy, server, replica } = await scene(COMMITS, 1);
    if (replica === undefined) throw new Error('The cluster has a replica.');
    await insertOnce(app).done;
    await cluster?.replicasCaughtUp();
    await replica.stop();
    const struck = proxy.strikeOn('COMMIT', 'drop-responses');
    const { runs, done } = insertOnce(app);
    await struck;
    await waitFor(async () => (await countIn(server)) === 2, { describe: 'the second row' });
    await server.kill9();
    await replica.start();
    await replica.promote();
    expect(await done).toBe('done');
    expect(runs.count).toBe(2);
    expect(await countIn(replica)).toBe(2);
  }, 60_000);

  it('that may not be created says what to run', async () => {
    const { app, server } = await scene({ commitTable: 'missing.commits' });
    const error = await failure(insertOnce(app).done, UsageError);
    expect(error.message).toContain('CREATE TABLE IF NOT EXISTS "missing"."commits"');
    await server.sql('create schema missing');
    expect(await insertOnce(app).done).toBe('done');
    const [row] = await server.sql<{ n: number }>('select count(*)::int as n from missing.commits');
    expect(row?.n).toBe(1);
  }, 60_000);

  it('is created once by many at a time', async () => {
    const { app, server } = await scene(COMMITS);
    await Promise.all(Array.from({ length: 12 }, () => insertOnce(app).done));
    const [row] = await server.sql<{ n: number }>('select count(*)::int as n from public.commits');
    expect(row?.n).toBe(12);
  }, 60_000);
});
