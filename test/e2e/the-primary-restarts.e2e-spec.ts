// PostgreSQL is killed under load and started again: everything settles, traffic resumes by itself.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DatabaseError } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startCluster, waitFor } from '../support/postgres.js';
import type { Cluster } from '../support/postgres.js';

let cluster: Cluster;
let app: DatabaseApp;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.primary.sql('create table entry (id serial primary key, worker int, n int)');
});
afterAll(() => cluster.stop());
afterEach(() => app.close());

/** What a loop of callers met. */
interface Load {
  readonly settled: number[];
  readonly errors: unknown[];
  readonly acknowledged: Array<readonly [number, number]>;
  successes: number;
  stop(): Promise<void>;
}

/** Callers that read, write and run transactions, as fast as they are answered. */
function startLoad(callers: number): Load {
  let isOver = false;
  const load: Load = {
    settled: [],
    errors: [],
    acknowledged: [],
    successes: 0,
    stop: async () => {
      isOver = true;
      await Promise.all(workers);
    },
  };
  const step = async (worker: number, n: number): Promise<void> => {
    const text = 'insert into entry (worker, n) values ($1, $2)';
    if (n % 3 === 0) await app.db.read('select count(*) from entry');
    else if (n % 3 === 1) await app.db.query(text, [worker, n]);
    else await app.db.transaction((tx) => tx.query(text, [worker, n]));
    if (n % 3 !== 0) load.acknowledged.push([worker, n]);
  };
  const workers = Array.from({ length: callers }, async (_, worker) => {
    for (let n = 0; !isOver; n++) {
      const startedAtMs = performance.now();
      try {
        await step(worker, n);
        load.successes++;
      } catch (error) {
        load.errors.push(error);
        // A caller that is refused comes back a little later, as a client of a web service would.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      load.settled.push(performance.now() - startedAtMs);
    }
  });
  return load;
}

describe('kill -9 and a restart under load', () => {
  it('settles every call within its deadline, loses no acknowledged write, and resumes in 5 s', async () => {
    app = await startDatabaseApp({ url: cluster.primary.url(), pool: { max: 10, min: 2 } });
    const load = startLoad(50);
    await waitFor(() => load.successes > 500, { describe: 'traffic' });
    await cluster.primary.kill9();
    await waitFor(() => load.errors.length > 50, { describe: 'failures' });
    await cluster.primary.start();
    const acceptsAtMs = performance.now();
    const before = load.successes;
    await waitFor(() => load.successes > before + 500, { describe: 'traffic again' });
    const resumedMs = performance.now() - acceptsAtMs;
    await load.stop();

    expect(resumedMs).toBeLessThan(5_000);
    // acquire 5 s + statement 5 s is what a call may take; a transaction may take its 30 s and more.
    expect(Math.max(...load.settled)).toBeLessThan(15_000);
    for (const error of load.errors) expect(error).toBeInstanceOf(DatabaseError);
    const rows = await cluster.primary.sql<{ worker: number; n: number }>(
      'select worker, n from entry',
    );
    const stored = rows.map(({ worker, n }) => `${worker}/${n}`);
    const lost = load.acknowledged.filter(([worker, n]) => !stored.includes(`${worker}/${n}`));
    expect(lost).toEqual([]);
    // Nothing ran twice: a repeated write would be there two times.
    expect(new Set(stored).size).toBe(stored.length);
  }, 60_000);

  it('tells the way down and up again', async () => {
    app = await startDatabaseApp({
      url: cluster.primary.url(),
      routing: { probeIntervalMs: 100 },
      breaker: { minimumCalls: 3 },
    });
    const lost = app.record('node:disconnected');
    const failed = app.record('node:reconnect-failed');
    const back = app.record('node:reconnected');
    const opened = app.record('circuit:opened');
    const closed = app.record('circuit:closed');
    await cluster.primary.kill9();
    await waitFor(() => failed.length > 0, { describe: 'a failed reconnect' });
    await Promise.allSettled(Array.from({ length: 10 }, () => app.db.query('select 1')));
    expect(lost).toHaveLength(1);
    expect(opened.length).toBeGreaterThan(0);
    const refused = await app.db.query('select 1').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'DB_CIRCUIT_OPEN', safeToRetry: true });
    await cluster.primary.start();
    await waitFor(() => app.db.query('select 1').then(() => closed.length > 0), {
      describe: 'the circuit to close',
    });
    await waitFor(() => back.length === 1, { describe: 'the reconnect' });
  }, 60_000);
});

describe('an application that starts before its database', () => {
  it('comes up, answers with typed errors, and works as soon as the database does', async () => {
    await cluster.primary.stop();
    app = await startDatabaseApp({
      url: cluster.primary.url(),
      startup: { waitForDatabase: false },
    });
    await expect(app.db.query('select 1')).rejects.toMatchObject({ code: 'DB_CONNECTION' });
    expect(app.db.status()).toMatchObject({ state: 'running', nodes: [{ isReachable: false }] });
    await cluster.primary.start();
    await waitFor(() => app.db.one('select 1 as one'), {
      describe: 'the first answer',
      timeoutMs: 5_000,
    });
  }, 60_000);
});
