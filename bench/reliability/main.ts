// `npm run bench:reliability`: what fails, hangs or is lost, beside pg.Pool and postgres.js in one process.
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startCluster } from '../../test/support/cluster.js';
import { lateCancel } from './late-cancel.js';
import { deadLine } from './dead-line.js';
import { failingStatement } from './failing-statement.js';
import { headOfLine } from './head-of-line.js';
import { openTransaction } from './open-transaction.js';
import type { Case } from './scene.js';

const CASES: readonly Case[] = [
  failingStatement,
  openTransaction,
  headOfLine,
  lateCancel,
  deadLine,
];

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const wanted = CASES.filter(({ name }) => name.includes(values.only ?? ''));
if (wanted.length === 0) {
  throw new Error(
    `--only ${values.only} names no case. There are: ${CASES.map((c) => c.name).join('; ')}`,
  );
}

console.log(
  `Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`,
);
const cluster = await startCluster({ replicas: 1 });
try {
  for (const each of wanted) {
    console.log(`\n${each.name}`);
    for (const { who, figures } of await each.run(cluster)) {
      const shown = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`);
      console.log(`  ${who.padEnd(18)} ${shown.join('   ')}`);
    }
  }
} finally {
  await cluster.stop();
}
