// `npm run bench`: the pool beside pg.Pool, in one process, in interleaved rounds, as ratios of medians.
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startCluster } from '../test/support/cluster.js';
import { DatabaseCore } from '../libs/database/src/database.core.js';
import { resolveOptions } from '../libs/database/src/database.options.js';
import { DatabaseService } from '../libs/database/src/database.service.js';

const CONNECTIONS = 20;
const ROWS = 10_000;
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    callers: { type: 'string', default: '64' },
  },
});
const [seconds, rounds, callers] = [values.seconds, values.rounds, values.callers].map(Number) as [
  number,
  number,
  number,
];

/** One call of a workload; `n` counts up. */
type Call = (n: number) => Promise<unknown>;

/** Calls per second of all callers together. */
async function measure(call: Call): Promise<number> {
  const endsAtMs = performance.now() + seconds * 1_000;
  let calls = 0;
  const caller = async (_: unknown, first: number): Promise<void> => {
    for (let n = first; performance.now() < endsAtMs; n += callers) {
      await call(n);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return calls / seconds;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;
}

const cluster = await startCluster();
const url = cluster.primary.url();
await cluster.primary.sql('create table point (id int primary key, value text)');
await cluster.primary.sql(
  `insert into point select i, 'v' || i from generate_series(0, ${ROWS}) i`,
);
const core = new DatabaseCore(
  resolveOptions({ url, pool: { max: CONNECTIONS, min: CONNECTIONS } }),
);
await core.start();
const db = new DatabaseService(core);
const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });

const POINT = 'select id, value from point where id = $1';
const workloads: Record<string, { readonly ours: Call; readonly theirs: Call }> = {
  point: {
    ours: (n) => db.read(POINT, [n % ROWS]),
    theirs: (n) => pool.query(POINT, [n % ROWS]),
  },
  transaction: {
    ours: (n) => db.transaction((tx) => tx.query(POINT, [n % ROWS])),
    theirs: async (n) => {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(POINT, [n % ROWS]);
      await client.query('commit');
      client.release();
    },
  },
  failing: {
    ours: () => db.query('insert into point values (1)').catch(() => undefined),
    theirs: () => pool.query('insert into point values (1)').catch(() => undefined),
  },
};

console.log(`${callers} callers, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s`);
for (const [name, { ours, theirs }] of Object.entries(workloads)) {
  const figures = { ours: [] as number[], theirs: [] as number[] };
  await measure(theirs);
  await measure(ours);
  for (let round = 0; round < rounds; round++) {
    figures.theirs.push(await measure(theirs));
    figures.ours.push(await measure(ours));
  }
  const [us, them] = [median(figures.ours), median(figures.theirs)];
  console.log(
    `${name.padEnd(12)} nestjs-database ${us.toFixed(0).padStart(7)}/s   pg.Pool ${them.toFixed(0).padStart(7)}/s   ratio ${(us / them).toFixed(2)}`,
  );
}
await core.close();
await pool.end();
await cluster.stop();
