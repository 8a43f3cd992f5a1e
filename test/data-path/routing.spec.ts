// Which server answers: replicas for reads, the primary for the rest, and what happens when one is gone.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConnectionError, ReplicasLostError } from 'nestjs-database';
import { DatabaseCore } from '../../libs/database/src/database.core.js';
import { resolveOptions } from '../../libs/database/src/database.options.js';
import { createPgDriver } from '../../libs/database/src/driver/pg-driver.js';
import type { ConnectionTarget } from '../../libs/database/src/driver/target.js';
import { EmbeddedPostgres } from '../../libs/database/src/embedded/index.js';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('routing');
let proxy: FaultProxy;
/** As slow as the other one, and never at fault. */
let calmProxy: FaultProxy;
let started: DatabaseApp | undefined;

beforeAll(async () => {
  const targetPort = Number(new URL(database.replicaUrl).port);
  proxy = await startFaultProxy({ targetPort });
  calmProxy = await startFaultProxy({ targetPort });
});
afterAll(() => Promise.all([proxy.stop(), calmProxy.stop()]));
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

describe('a replica that comes back', () => {
  const READS = 200;

  /** Reads that the one that came back has answered, of {@link READS} between two. */
  async function shareOf(slowStartMs: number): Promise<number> {
    const app = await start({
      url: database.url,
      replicas: [calmProxy.url(database.replicaUrl), proxy.url(database.replicaUrl)],
      routing: { probeIntervalMs: 100, slowStartMs },
    });
    const isUp = (): boolean | undefined => app.pools.nodes()[2]?.isReachable;
    const seen = (wanted: boolean): Promise<unknown> =>
      waitFor(() => isUp() === wanted, { describe: `isReachable ${wanted}` });
    await seen(true);
    await proxy.setMode('refuse');
    proxy.killAll();
    await seen(false);
    await proxy.setMode('pass');
    await seen(true);
    const done = app.record('query:done');
    for (let n = 0; n < READS; n++) await app.db.read('select pg_sleep(0.005)');
    await app.close();
    started = undefined;
    expect(done.every(({ node }) => node === 'replica-1' || node === 'replica-2')).toBe(true);
    return done.filter(({ node }) => node === 'replica-2').length;
  }

  it('gets few reads at first, and an equal share without a slow start', async () => {
    const few = await shareOf(600_000);
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThan(READS / 4);
    expect(await shareOf(0)).toBeGreaterThan(READS / 4);
  }, 30_000);
});

describe('without any replica', () => {
  it('the primary answers a share of the reads, and the rest is told to come back', async () => {
    const app = await start({
      url: database.url,
      replicas: [proxy.url(database.replicaUrl)],
      routing: { probeIntervalMs: 100, fallbackRatio: 0.1 },
    });
    await replicaIsUsable(app);
    await proxy.setMode('refuse');
    proxy.killAll();
    await waitFor(() => app.pools.nodes()[1]?.isReachable === false, {
      describe: 'the loss to be seen',
    });
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () =>
        isReplica(app.db.read(ASK)).catch((error: unknown) => error),
      ),
    );
    const answered = outcomes.filter((outcome) => outcome === false).length;
    const refused = outcomes.filter((outcome) => outcome instanceof ReplicasLostError).length;
    expect(answered + refused).toBe(200);
    // A tenth, or ten in each second: they may belong to two of them.
    expect(answered).toBeGreaterThanOrEqual(10);
    expect(answered).toBeLessThanOrEqual(30);
    expect(await isReplica(app.db.read(ASK, [], { consistency: 'primary' }))).toBe(false);
    expect((await app.db.query(ASK)).rows).toEqual([{ replica: false }]);
    await proxy.setMode('pass');
    await replicaIsUsable(app);
    expect(await isReplica(app.db.read(ASK))).toBe(true);
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
    expect(error.message).toMatch(/no host is a primary \(node-1: replica\)\. To start/);
  });

  it('says what each of them is when a call waits in vain', async () => {
    const hosts = [{ url: database.replicaUrl }, { url: proxy.url(database.url) }];
    await proxy.setMode('refuse');
    const app = await start({
      hosts,
      startup: { waitForDatabase: false },
      routing: { failoverWaitMs: 300 },
    });
    const error = await failure(app.db.query(ASK), ConnectionError);
    expect(error.message).toMatch(/No primary is known \(node-1: replica, node-2: not reached\)/);
    expect(error.safeToRetry).toBe(true);
  });
});

describe('a server that is not who it was taken for', () => {
  it('gets no statement when it is a standby in the place of the only server', async () => {
    const startup = { waitForDatabase: false };
    const routing = { failoverWaitMs: 300 };
    const retry = { attempts: 1 };
    const app = await start({ url: database.replicaUrl, startup, routing, retry });
    const error = await failure(app.db.query(ASK), ConnectionError);
    // Whoever was first: the connection that said so, or the probe.
    expect(error.message).toMatch(
      /was taken for the primary, and its server is a standby|No primary is known \(primary: replica\)/,
    );
  });

  it('is found out at the first connection, though no probe has spoken', async () => {
    const hosts = [
      { url: database.replicaUrl, role: 'primary' },
      { url: database.url, role: 'replica' },
    ] as const;
    const app = await start({ hosts, startup: { waitForDatabase: false } });
    expect((await app.db.query(ASK)).rows).toEqual([{ replica: false }]);
  });

  it('gets nothing when it is of another cluster', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'other-cluster-'));
    // The server runs as another user than the tests, where these are root.
    await chmod(dataDir, 0o755);
    const other = await EmbeddedPostgres.start({ dataDir });
    try {
      const hosts = [{ url: database.url }, { url: database.replicaUrl }, { url: other.url }];
      const app = await startDatabaseApp({
        hosts: hosts.toReversed(),
        pool: { max: 4, min: 1 },
        routing: { probeIntervalMs: 100 },
      });
      started = app;
      const foreign = app.record('node:foreign');
      await waitFor(() => app.pools.nodes().every(({ isReachable }) => isReachable), {
        describe: 'all to be seen',
      });
      const seen = new Set<unknown>();
      const ask = 'select system_identifier::text as id from pg_control_system()';
      for (let i = 0; i < 50; i++) {
        seen.add((await app.db.query<{ id: string }>(ask)).rows[0]?.id);
        seen.add((await app.db.read<{ id: string }>(ask))[0]?.id);
      }
      const [ours] = await database.sql<{ id: string }>(ask);
      expect([...seen]).toEqual([ours?.id]);
      expect(foreign.length).toBeLessThanOrEqual(1);
      expect(app.db.status().pools.find(({ node }) => node === 'node-1')?.leased).toBe(0);
    } finally {
      await started?.close();
      started = undefined;
      await other.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 60_000);
});

describe('a name with several addresses', () => {
  it('is looked up for each connection, and its dead address is passed over', async () => {
    const { port, hostname } = new URL(database.url);
    const lookups: string[] = [];
    const lookup = async (host: string): Promise<readonly string[]> => {
      lookups.push(host);
      // Nobody listens on the first one.
      return ['127.0.0.9', hostname];
    };
    const url = database.url.replace(`@${hostname}:`, '@db.internal:');
    const core = new DatabaseCore(resolveOptions({ url, pool: { max: 2, min: 2 } }), {
      driver: createPgDriver({ lookup }),
    });
    await core.start();
    try {
      await core.desk.sendWork({ statement: { text: 'a connection' }, work: async () => 1 });
      await waitFor(() => lookups.length >= 3, { describe: 'a look-up for each connection' });
      expect(new Set(lookups)).toEqual(new Set(['db.internal']));
      const target = { ...resolveOptions({ url }).nodes[0]?.target, port: 1 } as ConnectionTarget;
      const dead = createPgDriver({ lookup }).connect(target, 2_000);
      const error = await failure(dead, ConnectionError);
      expect(error.message).toMatch(/None of the addresses .*127\.0\.0\.9: .*127\.0\.0\.1: /);
      expect(port).not.toBe('1');
    } finally {
      await core.close();
    }
  });
});
