// A unique violation: what it costs beside the same failure on a held client, and how many backends it uses up.
import pg from 'pg';
import { median, openOurs, openPgPool, openPostgresJs, tookMs } from './scene.js';
import type { Case, Line } from './scene.js';

const TIMES = 500;
/** Of a contestant that opens a connection for each. */
const TIMES_SLOW = 50;
const ROUNDS = 5;
const WARM_UPS = 3;
const INSERT = 'insert into taken values (1)';
const PID = 'select pg_backend_pid() as pid';

interface Contestant {
  readonly who: Line['who'];
  readonly fail: () => Promise<unknown>;
  readonly pid: () => Promise<number>;
  readonly close: () => Promise<unknown>;
  readonly isSlow?: boolean;
}

const ignored = (): undefined => undefined;

async function round({ fail, isSlow = false }: Contestant): Promise<number> {
  const times = isSlow ? TIMES_SLOW : TIMES;
  const took = await tookMs(async () => {
    for (let n = 0; n < times; n++) await fail().catch(ignored);
  });
  return (took / times) * 1_000;
}

async function backendsOf({ fail, pid }: Contestant): Promise<number> {
  const seen = new Set<number>();
  for (let n = 0; n < 20; n++) {
    await fail().catch(ignored);
    seen.add(await pid());
  }
  return seen.size;
}

export const failingStatement: Case = {
  name: `failing statement: ${TIMES} unique violations, one after the other`,
  async run({ primary }) {
    await primary.sql('create table taken (id int primary key); insert into taken values (1)');
    const url = primary.url();
    const held = new pg.Client({ connectionString: url });
    await held.connect();
    const { db, core } = await openOurs({ url, pool: { max: 1, min: 1 } });
    const pool = openPgPool(url, 1);
    const sql = openPostgresJs(url, 1);
    const first = (rows: ReadonlyArray<{ pid?: unknown }>): number => Number(rows[0]?.pid);
    const contestants: readonly Contestant[] = [
      {
        who: 'held pg.Client',
        fail: () => held.query(INSERT),
        pid: async () => first((await held.query<{ pid: number }>(PID)).rows),
        close: () => held.end(),
      },
      {
        who: 'nestjs-database',
        fail: () => db.query(INSERT),
        pid: async () => first((await db.query<{ pid: number }>(PID)).rows),
        close: () => core.close(),
      },
      {
        who: 'pg.Pool',
        fail: () => pool.query(INSERT),
        pid: async () => first((await pool.query<{ pid: number }>(PID)).rows),
        close: () => pool.end(),
        isSlow: true,
      },
      {
        who: 'postgres.js',
        fail: () => sql.unsafe(INSERT),
        pid: async () => first(await sql.unsafe<Array<{ pid: number }>>(PID)),
        close: () => sql.end({ timeout: 1 }),
      },
    ];
    const costs = contestants.map(() => [] as number[]);
    for (let n = 0; n < WARM_UPS; n++) {
      for (const contestant of contestants) await round(contestant);
    }
    for (let n = 0; n < ROUNDS; n++) {
      for (const [index, contestant] of contestants.entries()) {
        costs[index]?.push(await round(contestant));
      }
    }
    const base = median(costs[0] ?? []);
    const lines: Line[] = [];
    for (const [index, contestant] of contestants.entries()) {
      const us = median(costs[index] ?? []);
      const backends = await backendsOf(contestant);
      const figures = { us: us.toFixed(0), timesHeld: (us / base).toFixed(2), backends };
      lines.push({ who: contestant.who, figures });
      await contestant.close();
    }
    return lines;
  },
};
