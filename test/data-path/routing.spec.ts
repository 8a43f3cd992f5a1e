// Which server answers: replicas for reads, the primary for the rest, and what happens when one is gone.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConnectionError } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('routing');
let proxy: FaultProxy;
let started: DatabaseApp | undefined;

beforeAll(async () => {
  proxy = await startFaultProxy({ targetPort: Number(new URL(database.replicaUrl).port) });
});
afterAll(() => proxy.stop());
afterEach(async () => {
  await started?.close();
  started = undefined;
  await proxy.setMode('pass');
});
useLeakCheck({ database });

async function start(options: Parameters<typeof startDatabaseApp>[0]): Promise<DatabaseApp> {
  started = await startDatabaseApp({
    pool: { max: 4, min: 1 },
    routing: { probeIntervalMs: 100 },
    ...options,
  });
  return started;
}

const isReplica = async (
  reading: Promise<Array<{ replica: boolean }>>,
): Promise<boolean | undefined> => (await reading)[0]?.replica;
const ASK = 'select pg_is_in_recovery() as replica';

const replicaIsUsable = (app: DatabaseApp): Promise<unknown> =>
  waitFor(
    () => app.pools.nodes().some(({ role, isReachable }) => role === 'replica' && isReachable),
    {
      describe: 'the replica to be seen',
    },
  );

describe('with a replica', () => {
  it('reads go to it, writes and transactions to the primary', async () => {
    const app = await start({ url: database.url, replicas: [database.replicaUrl] });
    await replicaIsUsable(app);
    expect(await isReplica(app.db.read(ASK))).toBe(true);
    expect(await isReplica(app.db.read(ASK, [], { consistency: 'primary' }))).toBe(false);
    expect((await app.db.query(ASK)).rows).toEqual([{ replica: false }]);
    expect(await app.db.transaction(() => app.db.one(ASK))).toEqual({ replica: false });
    const readOnly = { readOnly: true, consistency: 'eventual' } as const;
    expect(await app.db.transaction(() => app.db.one(ASK), readOnly)).toEqual({ replica: true });
  });

  it('tells role, lag, version and address of each node', async () => {
    const app = await start({ url: database.url, replicas: [database.replicaUrl] });
    await replicaIsUsable(app);
    await database.replicaCaughtUp();
    await waitFor(() => app.pools.nodes()[1]?.lagMs === 0, {
      describe: 'the replica to have caught up',
    });
    const [primary, replica] = app.pools.nodes();
    expect(primary).toMatchObject({
      name: 'primary',
      role: 'primary',
      isReachable: true,
      lagMs: 0,
    });
    expect(replica).toMatchObject({ name: 'replica-1', role: 'replica', lagBytes: 0 });
    expect(replica?.serverVersion).toBeGreaterThanOrEqual(150_000);
    expect(JSON.stringify(app.db.status())).not.toContain(
      new URL(database.url).password || 'no password',
    );
  });

  it('starts while it is dead, and reads fall back to the primary', async () => {
    await proxy.setMode('refuse');
    const app = await start({ url: database.url, replicas: [proxy.url(database.replicaUrl)] });
    expect(await isReplica(app.db.read(ASK))).toBe(false);
    await proxy.setMode('pass');
    await replicaIsUsable(app);
    expect(await isReplica(app.db.read(ASK))).toBe(true);
  });

  it('loses it under load without a failed read', async () => {
    const app = await start({ url: database.url, replicas: [proxy.url(database.replicaUrl)] });
    await replicaIsUsable(app);
    let isOver = false;
    const errors: unknown[] = [];
    let reads = 0;
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        await app.db.read('select count(*) from pg_class').then(
          () => reads++,
          (error: unknown) => errors.push(error),
        );
      }
    });
    await waitFor(() => reads > 100, { describe: 'some reads' });
    await proxy.setMode('refuse');
    proxy.killAll();
    await waitFor(() => app.pools.nodes()[1]?.isReachable === false, {
      describe: 'the loss to be seen',
    });
    const before = reads;
    await waitFor(() => reads > before + 100, { describe: 'reads to go on' });
    isOver = true;
    await Promise.all(load);
    expect(errors).toEqual([]);
  });

  it('that lags is not asked', async () => {
    const app = await start({ url: database.url, replicas: [proxy.url(database.replicaUrl)] });
    await replicaIsUsable(app);
    const pauseReplay = (way: 'pause' | 'resume'): Promise<unknown> => {
      return import('../support/sql.js').then(({ sql }) =>
        sql(database.replicaUrl, `select pg_wal_replay_${way}()`),
      );
    };
    await pauseReplay('pause');
    try {
      await database.sql('create table behind (n int)');
      await waitFor(() => (app.pools.nodes()[1]?.lagMs ?? 0) > 50, {
        describe: 'the lag to be seen',
      });
      expect(app.pools.nodes()[1]?.lagBytes).toBeGreaterThan(0);
      expect(await isReplica(app.db.read(ASK, [], { maxLagMs: 20 }))).toBe(false);
      expect(await isReplica(app.db.read(ASK, [], { maxLagMs: 60_000 }))).toBe(true);
    } finally {
      await pauseReplay('resume');
    }
  });
});

describe('with hosts whose roles are not declared', () => {
  it('finds the primary', async () => {
    const app = await start({ hosts: [{ url: database.replicaUrl }, { url: database.url }] });
    expect((await app.db.query(ASK)).rows).toEqual([{ replica: false }]);
    const url = new URL(database.url);
    const several = `${url.protocol}//${url.username}:${url.password}@${new URL(database.replicaUrl).host},${url.host}${url.pathname}`;
    await app.close();
    const other = await start({ url: several });
    expect((await other.db.query(ASK)).rows).toEqual([{ replica: false }]);
  });

  it('says so when there is none', async () => {
    const hosts = [{ url: database.replicaUrl }];
    const error = await failure(start({ hosts, startup: { attempts: 1 } }), ConnectionError);
    expect(error.message).toMatch(/no host is a primary/);
  });
});
