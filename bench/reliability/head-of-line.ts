// One slow query of 1.5 s and 50 fast ones on two connections: how long do the fast ones take?
import { openOurs, openPgPool, openPostgresJs } from './scene.js';
import type { Case } from './scene.js';

const FAST = 50;
const ROUNDS = 5;
/** Times that the fast ones are asked before each round: else the time would be that of code which nobody has optimised yet. */
const WARM_UPS = 60;
const SLOW_TEXT = 'select pg_sleep(1.5)';
const FAST_TEXT = 'select 1 as one';

async function fastMs(query: (text: string) => PromiseLike<unknown>): Promise<number[]> {
  for (let n = 0; n < WARM_UPS; n++) {
    await Promise.all(Array.from({ length: FAST }, () => query(FAST_TEXT)));
  }
  const slow = query(SLOW_TEXT);
  // The slow one is under way when the fast ones come.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const times = await Promise.all(
    Array.from({ length: FAST }, async () => {
      const startedAtMs = performance.now();
      await query(FAST_TEXT);
      return performance.now() - startedAtMs;
    }),
  );
  await slow;
  return times;
}

export const headOfLine: Case = {
  name: `head of line: 1 query of 1.5 s and ${FAST} fast ones on two connections, ${ROUNDS} rounds`,
  async run({ primary }) {
    const url = primary.url();
    const { db, core } = await openOurs({ url, pool: { max: 2, min: 2 } });
    const pool = openPgPool(url, 2);
    const sql = openPostgresJs(url, 2);
    const contestants = [
      { who: 'nestjs-database', query: (text: string) => db.query(text), times: [] as number[] },
      { who: 'pg.Pool', query: (text: string) => pool.query(text), times: [] as number[] },
      { who: 'postgres.js', query: (text: string) => sql.unsafe(text), times: [] as number[] },
    ] as const;
    for (const { query } of contestants) await fastMs(query);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { query, times } of contestants) times.push(...(await fastMs(query)));
    }
    await core.close();
    await pool.end();
    await sql.end({ timeout: 1 });
    return contestants.map(({ who, times }) => {
      const sorted = times.toSorted((a, b) => a - b);
      const at = (share: number): string =>
        (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
      return { who, figures: { p50Ms: at(0.5), p99Ms: at(0.99) } };
    });
  },
};
