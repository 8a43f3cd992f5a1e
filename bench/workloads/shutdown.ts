// How long a close takes with queries in flight, and what becomes of them.
import { deepStrictEqual } from 'node:assert/strict';
import { waitFor } from '../../test/support/wait-for.js';
import { cpuSinceUs, sampleOf, within } from '../measure.js';
import { openOurs, openPgPool, openPostgresJs } from '../peers/pools.js';
import type { PoolTarget } from '../peers/pools.js';
import { runRounds } from '../rounds.js';
import type { Contestant } from '../rounds.js';
import type { Sample } from '../statistics.js';
import { CONNECTIONS } from './workload.js';
import type { Scene, Workload } from './workload.js';

const CALLS = 64;
const QUERY_S = 0.3;
const TEXT = `select 1 as one from pg_sleep(${QUERY_S})`;
const LIMIT_MS = 30_000;
/** After the close, whoever has no answer by then will never have one, in ms. */
const SETTLE_MS = 500;

interface Closable {
  ask(): Promise<readonly unknown[]>;
  close(): Promise<unknown>;
}

const OPENERS: Readonly<Record<string, (target: PoolTarget) => Promise<Closable>>> = {
  'pg.Pool': async (target) => {
    const pool = openPgPool(target);
    return { ask: async () => (await pool.query<object>(TEXT)).rows, close: () => pool.end() };
  },
  'postgres.js': async (target) => {
    const sql = openPostgresJs(target);
    return { ask: () => sql.unsafe(TEXT), close: () => sql.end({ timeout: 10 }) };
  },
  'nestjs-database': async (target) => {
    const ours = await openOurs(target);
    return { ask: () => ours.db.read(TEXT), close: () => ours.close() };
  },
};

/** Until the server works on as many as there are connections: what pools do with calls that were never sent is another question. */
async function underWay(scene: Scene): Promise<void> {
  const text = `select from pg_stat_activity where state = 'active' and query like '%pg_sleep(${QUERY_S})' and pid <> pg_backend_pid()`;
  await waitFor(async () => (await scene.sql(text)).length >= CONNECTIONS, {
    describe: 'the calls to be under way',
    timeoutMs: 2_000,
  });
}

async function closeOnce(open: () => Promise<Closable>, scene: Scene): Promise<Sample> {
  const { signal } = scene;
  const closable = await open();
  let closing: Promise<unknown> | undefined;
  const close = (): Promise<unknown> =>
    within((closing ??= closable.close()), LIMIT_MS, 'the close', signal);
  try {
    // All connections are open, and all but some callers wait for one.
    await Promise.all(Array.from({ length: CONNECTIONS }, () => closable.ask()));
    const counts = { answered: 0, refused: 0 };
    const ask = (): Promise<void> =>
      closable.ask().then(
        () => void counts.answered++,
        () => void counts.refused++,
      );
    const calls = Promise.all(Array.from({ length: CALLS }, ask));
    await underWay(scene);
    const fromCpu = process.cpuUsage();
    const fromMs = performance.now();
    await close();
    const closeMs = performance.now() - fromMs;
    const cpuUs = cpuSinceUs(fromCpu);
    await within(calls, SETTLE_MS, 'the last call', signal).catch(() => undefined);
    const { answered, refused } = counts;
    const extra = { answered, refused, neverSettled: CALLS - answered - refused };
    return { ...sampleOf([closeMs], closeMs, cpuUs), extra };
  } finally {
    await close();
  }
}

function contestants(scene: Scene): Contestant[] {
  const { url, signal } = scene;
  const target = { url, connections: CONNECTIONS };
  return Object.entries(OPENERS).map(([name, open]) => ({
    name,
    verify: async () => {
      const closable = await open(target);
      try {
        deepStrictEqual([...(await closable.ask())], [{ one: 1 }]);
      } finally {
        await within(closable.close(), LIMIT_MS, 'the close', signal);
      }
    },
    round: () => closeOnce(() => open(target), scene),
  }));
}

/** Closing under load. */
export const shutdown: Workload = {
  name: 'shutdown',
  about:
    `Closes a pool of ${CONNECTIONS} while ${CALLS} calls of ${QUERY_S} s are under way or wait. The times are those of ` +
    'the close; a call that is never settled keeps its caller waiting for ever.',
  run: (scene) => runRounds(contestants(scene), scene.rounds),
};
