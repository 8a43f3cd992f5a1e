// The test cluster does what its methods say, on real servers.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, sql, startCluster, useTestDatabase, waitFor } from './postgres.js';
import type { Cluster, ServerNode } from './postgres.js';

let cluster: Cluster;
let primary: ServerNode;
let replica: ServerNode;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1, settings: { work_mem: '6MB' } });
  primary = cluster.primary;
  replica = cluster.replicas[0]!;
  await primary.sql('create table notes (word text)');
});

afterAll(() => cluster?.stop());

const words = async (node: ServerNode): Promise<unknown[]> =>
  (await node.sql('select word from notes order by word')).map(({ word }) => word);

it('replicates, and takes settings', async () => {
  await primary.sql(`insert into notes values ('replicated')`);
  await cluster.replicasCaughtUp();
  expect(await words(replica)).toEqual(['replicated']);
  await expect(replica.sql(`insert into notes values ('x')`)).rejects.toMatchObject({
    code: '25006',
  });
  const [row] = await replica.sql(
    `select current_setting('work_mem') as mem, current_setting('max_connections')::int as max`,
  );
  expect(row).toEqual({ mem: '6MB', max: 200 });
});

it('survives kill -9 of the primary and comes back on the same port with its data', async () => {
  const { pid, port } = primary;
  await primary.kill9();
  expect(primary.isRunning).toBe(false);
  await expect(primary.sql('select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await words(replica)).toEqual(['replicated']);
  await primary.start();
  expect(primary.pid).not.toBe(pid);
  expect(primary.port).toBe(port);
  await primary.sql(`insert into notes values ('after the kill')`);
  await cluster.replicasCaughtUp();
  expect(await words(replica)).toEqual(['after the kill', 'replicated']);
});

it('freezes a server, open connections included, and lets it go on', async () => {
  await primary.pause();
  let answered = false;
  const answer = primary.sql('select 1 as one').finally(() => (answered = true));
  // The replica answers; a frozen primary that did, too, would have done it by then.
  await replica.sql('select pg_sleep(0.2)');
  expect(answered).toBe(false);
  primary.resume();
  expect(await answer).toEqual([{ one: 1 }]);
});

it('restarts', async () => {
  const { pid } = primary;
  await primary.restart();
  expect(primary.pid).not.toBe(pid);
  await waitFor(async () => (await primary.sql('select from pg_stat_replication')).length === 1, {
    describe: 'the replica to stream again',
  });
});

it('promotes the replica, and the old primary rejoins as its standby', async () => {
  await primary.kill9();
  await replica.promote();
  await replica.sql(`insert into notes values ('on the new primary')`);
  await primary.rejoin(replica);
  await cluster.replicasCaughtUp(replica);
  expect(await words(primary)).toEqual(['after the kill', 'on the new primary', 'replicated']);
  const [row] = await primary.sql('select pg_is_in_recovery() as standby');
  expect(row).toEqual({ standby: true });
});

it('stops for good, more than once', async () => {
  const other = await startCluster();
  const { pid } = other.primary;
  await other.stop();
  await other.stop();
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

describe('a database of a suite', () => {
  const database = useTestDatabase('Suite of one!');

  it('is on the primary and on the replica, with pg_stat_statements', async () => {
    expect(database.name).toMatch(/^suite_of_one_/);
    await database.sql('create table t as select 1 as one');
    await database.replicaCaughtUp();
    expect(await sql(database.replicaUrl, 'select one from t')).toEqual([{ one: 1 }]);
    const [row] = await database.sql(`select count(*)::int > 0 as some from pg_stat_statements`);
    expect(row).toEqual({ some: true });
  });

  it('is dropped with whoever is still connected', async () => {
    const own = await createTestDatabase();
    const stuck = sql(own.url, 'select pg_sleep(60)').catch((error: unknown) => error);
    await waitFor(
      async () =>
        (await database.sql('select from pg_stat_activity where datname = $1', [own.name])).length,
      { describe: 'the session' },
    );
    await own.drop();
    await own.drop();
    expect(await stuck).toMatchObject({ code: '57P01' });
    const left = await database.sql('select from pg_database where datname = $1', [own.name]);
    expect(left).toEqual([]);
  });
});

describe('waitFor', () => {
  it('says what it waited for, and what the condition threw last', async () => {
    const never = waitFor(() => Promise.reject(new Error('not yet')), {
      describe: 'godot',
      timeoutMs: 50,
    });
    await expect(never).rejects.toMatchObject({
      message: 'waited 50 ms in vain for godot',
      cause: { message: 'not yet' },
    });
  });
});
