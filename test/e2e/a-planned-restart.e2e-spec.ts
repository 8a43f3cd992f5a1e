// Work on a running system: a server restarted, connections replaced, a pool resized, all of it under load.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startCluster, waitFor } from '../support/postgres.js';
import type { Cluster } from '../support/postgres.js';

let cluster: Cluster;
let app: DatabaseApp;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 });
  await cluster.primary.sql('create table entry (id serial primary key, worker int, n int)');
  await cluster.replicasCaughtUp();
});
afterAll(() => cluster.stop());
afterEach(() => app.close());

interface Load {
  readonly errors: unknown[];
  calls: number;
  written: number;
  stop(): Promise<void>;
}

/** Callers that read, write, and run transactions with a transaction of its own inside. */
function startLoad(callers: number): Load {
  let isOver = false;
  const text = 'insert into entry (worker, n) values ($1, $2)';
  const load: Load = {
    errors: [],
    calls: 0,
    written: 0,
    stop: async () => {
      isOver = true;
      await Promise.all(workers);
    },
  };
  const step = async (worker: number, n: number): Promise<void> => {
    const { db } = app;
    if (n % 4 === 0) await db.read('select count(*) from entry');
    else if (n % 4 === 1) await db.query(text, [worker, n]);
    else if (n % 4 === 2) await db.transaction((tx) => tx.query(text, [worker, n]));
    else {
      await db.transaction(async () => {
        await db.query('select 1');
        await db.transaction((tx) => tx.query(text, [worker, n]), { propagation: 'requires-new' });
      });
    }
    if (n % 4 !== 0) load.written++;
  };
  const workers = Array.from({ length: callers }, async (_, worker) => {
    for (let n = 0; !isOver; n++) {
      try {
        await step(worker, n);
      } catch (error) {
        load.errors.push(error);
      }
      load.calls++;
    }
  });
  return load;
}

const rows = async (): Promise<number> => {
  const [row] = await cluster.primary.sql<{ n: number }>('select count(*)::int as n from entry');
  return row?.n ?? -1;
};
const more = (load: Load, calls: number): Promise<unknown> => {
  const from = load.calls;
  return waitFor(() => load.calls > from + calls, { describe: `${calls} more calls` });
};

async function start(): Promise<void> {
  await cluster.primary.sql('truncate entry');
  app = await startDatabaseApp({
    url: cluster.primary.url(),
    replicas: [cluster.replicas[0]?.url() ?? ''],
    // More callers with a call inside a call than connections: those who hold one must get on.
    pool: { max: 12, min: 4, acquireTimeoutMs: 30_000 },
    routing: { probeIntervalMs: 200 },
  });
}

describe('under load', () => {
  it('the primary is restarted while its pool is suspended: no call fails', async () => {
    await start();
    const load = startLoad(10);
    await more(load, 200);
    for (let round = 0; round < 2; round++) {
      await app.pools.suspend({ node: 'primary', timeoutMs: 10_000 });
      const own = await cluster.primary.sql<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
         where application_name = 'nestjs-database' and query not like '%pg_is_in_recovery%'`,
      );
      // Whoever said goodbye may not have gone yet; nobody works.
      expect(own[0]?.n).toBeLessThanOrEqual(12);
      await cluster.primary.stop();
      await cluster.primary.start();
      app.pools.resume();
      await more(load, 200);
    }
    await load.stop();
    expect(load.errors).toEqual([]);
    expect(await rows()).toBe(load.written);
  }, 60_000);

  it('all connections of both servers are replaced, and the pool gets other sizes: no call fails', async () => {
    await start();
    const load = startLoad(10);
    await more(load, 200);
    const backends = async (): Promise<number[]> => {
      const found = await cluster.primary.sql<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = 'nestjs-database' and query not like '%pg_is_in_recovery%'`,
      );
      return found.map(({ pid }) => pid);
    };
    const before = await backends();
    await app.pools.recycle();
    app.pools.resize({ node: 'primary', max: 11, min: 1 });
    await more(load, 200);
    app.pools.resize({ node: 'primary', max: 20 });
    await more(load, 200);
    await load.stop();
    expect(load.errors).toEqual([]);
    expect(before.length).toBeGreaterThan(1);
    await waitFor(
      async () => (await backends()).filter((pid) => before.includes(pid)).length === 0,
      { describe: 'the old backends to be gone' },
    );
    expect(await rows()).toBe(load.written);
    expect(app.pools.stats()[0]).toMatchObject({ max: 20, waiting: 0, leased: 0 });
  }, 60_000);
});
