// Under Patroni: writes follow an orderly switchover and the failover after a crash, and nothing acknowledged is lost.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { InDoubtError } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { startPatroni } from '../support/patroni.js';
import type { PatroniCluster, PatroniNode } from '../support/patroni.js';
import { sql } from '../support/sql.js';
import { waitFor } from '../support/wait-for.js';

let cluster: PatroniCluster;
let app: DatabaseApp;

beforeAll(async () => {
  cluster = await startPatroni();
  const leader = await cluster.requireLeader();
  await sql(leader.url, 'create table entry (n int)');
}, 150_000);
afterAll(() => cluster?.stop(), 60_000);

beforeEach(async () => {
  app = await startDatabaseApp({
    hosts: cluster.nodes.map(({ url }) => ({ url })),
    pool: { max: 5, min: 1 },
    routing: { failoverWaitMs: 10_000 },
    telemetry: { log: false },
  });
});
afterEach(() => app.close());

interface Load {
  readonly acknowledged: number[];
  readonly failures: unknown[];
  lastSuccessAtMs: number;
  /** Longest time between two acknowledged writes, in ms. */
  longestGapMs: number;
  stop(): Promise<void>;
}

const WRITERS = 4;
let next = 0;

/** Writers, each with one write at a time. */
function startWriters(count: number): Load {
  let isOver = false;
  const load: Load = {
    acknowledged: [],
    failures: [],
    lastSuccessAtMs: performance.now(),
    longestGapMs: 0,
    stop: async () => {
      isOver = true;
      await Promise.all(writers);
    },
  };
  const write = async (): Promise<void> => {
    const n = ++next;
    try {
      await app.db.transaction((tx) => tx.query('insert into entry values ($1)', [n]));
    } catch (error) {
      load.failures.push(error);
      return;
    }
    load.acknowledged.push(n);
    const nowMs = performance.now();
    load.longestGapMs = Math.max(load.longestGapMs, nowMs - load.lastSuccessAtMs);
    load.lastSuccessAtMs = nowMs;
  };
  const writers = Array.from({ length: count }, async () => {
    while (!isOver) {
      await write();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  return load;
}

async function requireAll({ acknowledged }: Load): Promise<void> {
  const leader = await cluster.requireLeader();
  const rows = await sql<{ n: number }>(leader.url, 'select n from entry');
  const stored = rows.map(({ n }) => n);
  expect(stored.length).toBe(new Set(stored).size);
  expect(acknowledged.filter((n) => !stored.includes(n))).toEqual([]);
}

const other = (node: PatroniNode): PatroniNode => {
  const found = cluster.nodes.find((each) => each !== node);
  if (found === undefined) throw new Error('The cluster has two nodes.');
  return found;
};

const isFollowing = (node: PatroniNode): Promise<unknown> =>
  waitFor(
    async () => (await sql(node.url, 'select pg_is_in_recovery() as yes'))[0]?.['yes'] === true,
    { describe: `${node.name} to follow`, timeoutMs: 60_000 },
  );

describe('under Patroni', () => {
  it('an orderly switchover costs no write but those whose COMMIT was under way, and none that was acknowledged', async () => {
    const leader = await cluster.requireLeader();
    const target = other(leader);
    const load = startWriters(WRITERS);
    await waitFor(() => load.acknowledged.length > 50, { describe: 'writes' });
    await cluster.switchover(target);
    const before = load.acknowledged.length;
    await waitFor(() => load.acknowledged.length > before + 50, {
      describe: 'writes at the new leader',
    });
    await load.stop();
    expect((await cluster.requireLeader()).name).toBe(target.name);
    await requireAll(load);
    await isFollowing(other(target));
    expect(load.longestGapMs).toBeLessThan(10_000);
    // What was sent runs again from BEGIN, what was not waits. Only a COMMIT under way cannot know.
    expect(load.failures.filter((error) => !(error instanceof InDoubtError))).toEqual([]);
    expect(load.failures.length).toBeLessThanOrEqual(WRITERS);
  }, 120_000);

  it('after a crash of the leader, writes resume within 5 s of the promotion', async () => {
    const leader = await cluster.requireLeader();
    const target = other(leader);
    const load = startWriters(WRITERS);
    await waitFor(() => load.acknowledged.length > 50, { describe: 'writes' });
    await leader.kill9();
    await waitFor(
      async () =>
        (await sql(target.url, 'select pg_is_in_recovery() as yes'))[0]?.['yes'] === false,
      { describe: 'the promotion', timeoutMs: 60_000 },
    );
    const promotedAtMs = performance.now();
    await waitFor(() => load.lastSuccessAtMs > promotedAtMs, {
      describe: 'a write',
      timeoutMs: 5_000,
    });
    const resumedMs = load.lastSuccessAtMs - promotedAtMs;
    await load.stop();
    expect(resumedMs).toBeLessThan(5_000);
    await leader.start();
    await isFollowing(leader);
  }, 180_000);
});
