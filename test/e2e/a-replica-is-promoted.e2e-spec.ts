// The primary dies, its replica is promoted: writes resume there, and the old primary gets none when it comes back.
import { afterEach, describe, expect, it } from '@jest/globals';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startCluster, waitFor } from '../support/postgres.js';
import type { Cluster } from '../support/postgres.js';

let cluster: Cluster | undefined;
let app: DatabaseApp | undefined;
afterEach(async () => {
  await app?.close();
  await cluster?.stop();
});

async function start(
  routing: DatabaseModuleOptions['routing'] = {},
  retry: DatabaseModuleOptions['retry'] = {},
): Promise<{ cluster: Cluster; app: DatabaseApp }> {
  cluster = await startCluster({ replicas: 1 });
  await cluster.primary.sql('create table entry (id serial primary key)');
  await cluster.replicasCaughtUp();
  app = await startDatabaseApp({
    hosts: cluster.nodes.map((node) => ({ url: node.url() })),
    pool: { max: 5, min: 2 },
    routing,
    retry,
  });
  return { cluster, app };
}

const insert = ({ db }: DatabaseApp): Promise<unknown> =>
  db.query('insert into entry default values');

describe('a failover', () => {
  it('takes writes to the promoted replica within 5 s', async () => {
    const { cluster, app } = await start();
    const [old, replica] = cluster.nodes;
    await insert(app);
    await cluster.replicasCaughtUp();
    await old?.kill9();
    await replica?.promote();
    const promotedAtMs = performance.now();
    await waitFor(() => insert(app).then(() => true), { describe: 'a write to succeed' });
    expect(performance.now() - promotedAtMs).toBeLessThan(5_000);
    await app.db.transaction((tx) => tx.query('insert into entry default values'));
    expect(await replica?.sql('select count(*)::int as n from entry')).toEqual([{ n: 3 }]);
  }, 60_000);

  it.each(['a replica is promoted', 'the primary comes back itself'])(
    'fails no read and no transaction that had not begun, until %s',
    async (which) => {
      // One attempt: nothing but the wait for a primary makes up for the loss.
      const { cluster, app } = await start({}, { attempts: 1 });
      const [old, replica] = cluster.nodes;
      await insert(app);
      await cluster.replicasCaughtUp();
      let isOver = false;
      let reads = 0;
      const text = 'select count(*)::int as n from entry';
      const readers = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          await app.db.read(text, [], { consistency: 'primary' });
          reads++;
        }
      });
      await waitFor(() => reads > 100, { describe: 'some reads' });
      await old?.kill9();
      const transactions = Array.from({ length: 10 }, () =>
        app.db.transaction((tx) => tx.query('insert into entry default values')),
      );
      await waitFor(() => app.pools.nodes()[0]?.isReachable === false, {
        describe: 'the loss to be seen',
      });
      const writes = Array.from({ length: 10 }, () => insert(app));
      if (which === 'a replica is promoted') await replica?.promote();
      else await old?.start();
      await Promise.all([...transactions, ...writes]);
      const before = reads;
      await waitFor(() => reads > before + 100, { describe: 'reads to go on' });
      isOver = true;
      await Promise.all(readers);
      expect(await app.db.one(text, [], { consistency: 'primary' })).toEqual({ n: 21 });
    },
    60_000,
  );

  it('never gives a write to the old primary that comes back on its old timeline', async () => {
    const { cluster, app } = await start();
    const [old, replica] = cluster.nodes;
    const changed = app.record('primary:changed');
    const conflicts = app.record('primary:conflict');
    await old?.kill9();
    await replica?.promote();
    await waitFor(() => insert(app).then(() => true), { describe: 'a write to succeed' });
    await old?.start();
    await waitFor(() => app.pools.nodes().every(({ isReachable }) => isReachable), {
      describe: 'both to be seen',
    });
    await waitFor(() => conflicts.length > 0, { describe: 'the alarm' });
    for (let i = 0; i < 20; i++) await insert(app);
    expect(conflicts).toEqual([
      { primary: 'node-2', refused: 'node-1', because: 'older timeline' },
    ]);
    expect(await old?.sql('select count(*)::int as n from entry')).toEqual([{ n: 0 }]);
    expect(changed.at(-1)).toEqual({ from: 'node-1', to: 'node-2' });
  }, 60_000);

  it('is followed at the first 25006, without a failed call', async () => {
    // Probes that come too late: only the refusal itself tells that the role has changed.
    const { cluster, app } = await start({ probeIntervalMs: 60_000 });
    const [old, replica] = cluster.nodes;
    if (old === undefined || replica === undefined) throw new Error('The cluster has two nodes.');
    await insert(app);
    await cluster.replicasCaughtUp();
    await old.stop();
    await replica.promote();
    await old.rejoin(replica);
    await cluster.replicasCaughtUp(replica);
    await insert(app);
    await app.db.transaction((tx) => tx.query('insert into entry default values'));
    expect(await replica.sql('select count(*)::int as n from entry')).toEqual([{ n: 3 }]);
  }, 60_000);

  it('between a write and a read answers from the primary, whatever number its log stands at', async () => {
    const { cluster, app } = await start({ probeIntervalMs: 100 });
    const [old, replica] = cluster.nodes;
    await insert(app);
    const after = app.db.consistencyToken();
    await cluster.replicasCaughtUp();
    await old?.kill9();
    await replica?.promote();
    await waitFor(() => insert(app).then(() => true), { describe: 'a write to succeed' });
    const text = 'select count(*)::int as n, pg_is_in_recovery() as "fromReplica" from entry';
    const read = { consistency: 'session', after } as const;
    expect(await app.db.one(text, [], read)).toEqual({ n: 2, fromReplica: false });
    if (old === undefined || replica === undefined) throw new Error('The cluster has two nodes.');
    await old.rejoin(replica);
    await cluster.replicasCaughtUp(replica);
    await waitFor(() => app.pools.nodes()[0]?.role === 'replica', { describe: 'the new replica' });
    expect(await app.db.one(text, [], read)).toMatchObject({ fromReplica: false });
    await insert(app);
    // The replica follows the new timeline: a token of it is answered there.
    await waitFor(
      async () => {
        const row = await app.db.one<{ fromReplica: boolean }>(text, [], {
          consistency: 'session',
        });
        return row.fromReplica;
      },
      { describe: 'a session read from the new replica' },
    );
  }, 60_000);

  // A standby refuses writes, which tells of its role; a read it answers, from what it has replayed so far.
  it('gives no read of the primary to the old one that has come back as a replica', async () => {
    const { cluster, app } = await start({ probeIntervalMs: 60_000 });
    const [old, replica] = cluster.nodes;
    if (old === undefined || replica === undefined) throw new Error('The cluster has two nodes.');
    await insert(app);
    await cluster.replicasCaughtUp();
    await old.stop();
    await replica.promote();
    await old.rejoin(replica);
    await cluster.replicasCaughtUp(replica);
    const text = 'select pg_is_in_recovery() as "isReplica"';
    const answer = await app.db.one(text, [], { consistency: 'primary' });
    expect(answer).toEqual({ isReplica: false });
  }, 60_000);
});
