// `npm run soak -- --seconds 600`: steady mixed load on real servers; memory, handles and backends have to stay flat.
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startCluster } from '../test/support/cluster.js';
import { openOurs } from './reliability/scene.js';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } });
const seconds = Number(values.seconds);
if (!(seconds >= 20)) throw new Error('--seconds must be a number of 20 or more.');

const CALLERS = 16;
const MAX = 8;
const SAMPLES = 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const cluster = await startCluster({ replicas: 1 });
const { primary, replicas } = cluster;
await primary.sql('create table entry (id serial primary key, n int unique)');
await primary.sql('insert into entry (n) select generate_series(1, 1000)');
const { db, core } = await openOurs({
  hosts: [primary, ...replicas].map((node) => ({ url: node.url() })),
  // Connections age within seconds, so that the run sees many of them come and go.
  pool: { max: MAX, min: 2, maxLifetimeMs: 5_000, idleTimeoutMs: 2_000, statementTimeoutMs: 200 },
});

const counts = { answered: 0, failed: 0 };
let isOver = false;

async function callOnce(n: number): Promise<unknown> {
  switch (n % 8) {
    case 0:
      return db.query('update entry set n = n where id = $1', [(n % 1_000) + 1]);
    case 1:
      return db.transaction((tx) => tx.query('select 1'), { exactlyOnce: n % 3 === 0 });
    case 2:
      return db.query('insert into entry (n) values (1)');
    case 3:
      return db.read('select pg_sleep(1)', [], { timeoutMs: 20 });
    case 4:
      return db.read('select 1', [], { signal: AbortSignal.timeout(50) });
    default:
      return db.read('select * from entry where id = $1', [(n % 1_000) + 1]);
  }
}

async function caller(first: number): Promise<void> {
  for (let n = first; !isOver; n += CALLERS) {
    await callOnce(n).then(
      () => counts.answered++,
      () => counts.failed++,
    );
    await pause(5);
  }
}

interface Sample {
  readonly heapMb: number;
  readonly rssMb: number;
  readonly handles: number;
  readonly listeners: number;
  readonly backends: number;
}

async function sample(): Promise<Sample> {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  const [row] = await primary.sql<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where application_name = 'nestjs-database'",
  );
  return {
    heapMb: heapUsed / 1e6,
    rssMb: rss / 1e6,
    handles: process.getActiveResourcesInfo().length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    backends: row?.n ?? -1,
  };
}

const callers = Array.from({ length: CALLERS }, (_, index) => caller(index));
const samples: Sample[] = [];
for (let n = 0; n < SAMPLES; n++) {
  await pause((seconds * 1_000) / SAMPLES);
  const seen = await sample();
  samples.push(seen);
  const { heapMb, rssMb, handles, listeners, backends } = seen;
  console.log(
    `${String(Math.round(((n + 1) * seconds) / SAMPLES)).padStart(5)} s   heap ${heapMb.toFixed(1)} MB   rss ${rssMb.toFixed(0)} MB   ` +
      `handles ${handles}   listeners ${listeners}   backends ${backends}   answered ${counts.answered}   failed ${counts.failed}`,
  );
}
isOver = true;
await Promise.all(callers);
const { opened } = core
  .pools()
  .reduce((sum, { opened }) => ({ opened: sum.opened + opened }), { opened: 0 });
await core.close();
const left = (await sample()).backends;
await cluster.stop();

/** Highest figure of a part of the run. */
const most = (part: readonly Sample[], figure: keyof Sample): number =>
  Math.max(...part.map((each) => each[figure]));
const second = samples.slice(SAMPLES / 4, SAMPLES / 2);
const last = samples.slice(-SAMPLES / 4);
const growth = (figure: keyof Sample): number => most(last, figure) - most(second, figure);
const problems = [
  growth('heapMb') > 5 && `the heap grew by ${growth('heapMb').toFixed(1)} MB`,
  growth('handles') > 2 * MAX && `${growth('handles')} handles more`,
  growth('listeners') > 0 && `${growth('listeners')} listeners of the process more`,
  // Pool and probe of the primary, and one connection that says goodbye.
  most(samples, 'backends') > MAX + 2 && `${most(samples, 'backends')} backends at a time`,
  left > 0 && `${left} backends left after the close`,
].filter((problem) => problem !== false);
console.log(
  `${counts.answered} answered, ${counts.failed} failed as meant, ${opened} connections opened`,
);
console.log(problems.length === 0 ? 'flat' : `NOT flat: ${problems.join('; ')}`);
process.exitCode = problems.length === 0 ? 0 : 1;
