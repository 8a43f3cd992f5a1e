/**
 * `npm run bench -- [--only a,b] [--seconds N] [--rounds N] [--callers N] [--json FILE] [--report FILE]`: the library
 * beside others on one PostgreSQL, in one process, in interleaved rounds. Ends with 0, with 1 when a workload failed or
 * the run was stopped, with 2 for an argument that cannot be obeyed.
 */
import { writeFile } from 'node:fs/promises';
import { startCluster } from '../test/support/cluster.js';
import type { Cluster } from '../test/support/cluster.js';
import { ArgumentError, isNamedBy, readArguments } from './arguments.js';
import type { Arguments } from './arguments.js';
import { describeMachine } from './machine.js';
import { findPgbench, Pgbench } from './peers/pgbench.js';
import { renderReport, resultLine } from './report.js';
import type { BenchReport } from './report.js';
import { SCHEMA } from './schema.js';
import { headOfLine } from './workloads/head-of-line.js';
import { latency } from './workloads/latency.js';
import { overhead } from './workloads/overhead.js';
import { point, wide } from './workloads/reads.js';
import { concurrency, fingerprints } from './workloads/scaling.js';
import { shutdown } from './workloads/shutdown.js';
import { shortTransactions, transaction } from './workloads/transactions.js';
import { typeorm } from './workloads/typeorm.js';
import { CONNECTIONS } from './workloads/workload.js';
import type { Scene, Workload } from './workloads/workload.js';
import { failing, insert, mixed, update } from './workloads/writes.js';

const WORKLOADS: readonly Workload[] = [
  point,
  ...wide,
  insert,
  update,
  transaction,
  ...shortTransactions,
  ...typeorm,
  failing,
  ...headOfLine,
  mixed,
  ...concurrency,
  ...fingerprints,
  shutdown,
  ...overhead,
  ...latency,
];

async function prepare(cluster: Cluster, args: Arguments, signal: AbortSignal): Promise<Scene> {
  const { primary } = cluster;
  for (const statement of SCHEMA) await primary.sql(statement);
  const { seconds, rounds, callers } = args;
  const url = primary.url();
  const pgbench = findPgbench();
  return {
    ...{ url, port: primary.port, seconds, rounds, callers, signal },
    pgbench: pgbench === undefined ? undefined : new Pgbench(pgbench, url, CONNECTIONS),
    sql: (text, values) => primary.sql(text, values),
  };
}

async function runAll(scene: Scene, wanted: readonly Workload[]): Promise<BenchReport> {
  const { seconds, rounds, callers, pgbench } = scene;
  const [row] = await scene.sql('show server_version');
  const version = String(row?.['server_version']);
  const machine = describeMachine(version, pgbench !== undefined);
  const date = new Date().toISOString();
  const workloads: Array<BenchReport['workloads'][number]> = [];
  const failures: Array<BenchReport['failures'][number]> = [];
  console.log(
    `${machine.cores} x ${machine.cpu}, Node ${machine.node}, PostgreSQL ${machine.postgresql}; ` +
      `${callers} callers, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s`,
  );
  if (pgbench === undefined) console.log('pgbench is not installed and takes no part');
  for (const workload of wanted) {
    const { name, about } = workload;
    console.log(`\n${name}: ${about}`);
    try {
      const results = await workload.run(scene);
      workloads.push({ name, about, results });
      for (const result of results) console.log(resultLine(result));
    } catch (error) {
      scene.signal.throwIfAborted();
      // The others' figures are worth having, and the exit code tells that some are missing.
      failures.push({ name, error: (error as Error).message });
      console.error(error);
    }
  }
  const settings = { seconds, rounds, callers, connections: CONNECTIONS };
  return { machine, date, settings, workloads, failures };
}

async function main(signal: AbortSignal): Promise<number> {
  const args = readArguments(
    process.argv.slice(2),
    WORKLOADS.map(({ name }) => name),
  );
  const { only, json, report } = args;
  const wanted = WORKLOADS.filter(
    ({ name }) => only.length === 0 || only.some((each) => isNamedBy(name, each)),
  );
  // All peers at a time, and one that closes beside one that opens.
  const cluster = await startCluster({ settings: { max_connections: 400 } });
  try {
    signal.throwIfAborted();
    const figures = await runAll(await prepare(cluster, args, signal), wanted);
    const text = JSON.stringify(figures, null, 2);
    if (json !== undefined) await writeFile(json, `${text}\n`);
    if (report !== undefined) {
      await writeFile(report, await renderReport(JSON.parse(text) as BenchReport));
    }
    return figures.failures.length === 0 ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stopped.abort(new Error(`stopped by ${name}`)));
}
try {
  process.exitCode = await main(stopped.signal);
} catch (error) {
  if (error instanceof ArgumentError) console.error(error.message);
  else console.error(stopped.signal.aborted ? 'stopped before the end: no figures' : error);
  process.exitCode = error instanceof ArgumentError ? 2 : 1;
}
