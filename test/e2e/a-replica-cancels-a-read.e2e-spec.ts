// A replica cancels a read, for it has to replay a vacuum (conflict with recovery): another server answers it.
import { afterEach, expect, it } from '@jest/globals';
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

it('is answered by the primary, and its caller notices nothing', async () => {
  const settings = { max_standby_streaming_delay: '0', hot_standby_feedback: false };
  cluster = await startCluster({ replicas: 1, settings });
  const [replica] = cluster.replicas;
  await cluster.primary.sql('create table entry as select generate_series(1, 1000) as id');
  await cluster.replicasCaughtUp();
  app = await startDatabaseApp({
    url: cluster.primary.url(),
    replicas: [replica?.url() ?? ''],
    pool: { max: 2, min: 1 },
    routing: { probeIntervalMs: 100 },
  });
  const { db, pools } = app;
  await waitFor(() => pools.nodes().every(({ isReachable }) => isReachable), {
    describe: 'both servers to be seen',
  });
  const done = app.record('query:done');
  const text =
    'select count(*)::int as n, bool_and(pg_is_in_recovery()) as r from entry, pg_sleep(3)';
  const reading = db.one<{ n: number; r: boolean }>(text, [], { idempotent: true });
  await waitFor(
    async () => {
      const running =
        "select from pg_stat_activity where query like '%pg_sleep(3)%' and pid <> pg_backend_pid()";
      return ((await replica?.sql(running)) ?? []).length > 0;
    },
    { describe: 'the read to run on the replica' },
  );
  await cluster.primary.sql('delete from entry where id > 500');
  await cluster.primary.sql('vacuum entry');
  expect(await reading).toEqual({ n: 500, r: false });
  expect(done.at(-1)).toMatchObject({ node: 'primary', outcome: 'ok' });
  const conflicts =
    'select conflicts::int as n from pg_stat_database where datname = current_database()';
  // The server counts with a delay.
  await waitFor(async () => (await replica?.sql<{ n: number }>(conflicts))?.[0]?.n === 1, {
    describe: 'the conflict to be counted',
  });
}, 60_000);
