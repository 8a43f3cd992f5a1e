// `npm run bench` as it is called: the figures that it writes, and what it says about wrong arguments.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { workspaceDir } from '../house/library-source.js';
import type { BenchReport } from '../../bench/report.js';

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bench-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function bench(...args: string[]) {
  const script = ['--import', './test/support/register-ts.mjs', 'bench/main.ts'];
  // The server that it starts is its own, not that of the suites.
  return run(process.execPath, [...script, ...args], { cwd: workspaceDir, timeout: 50_000 });
}

it('measures everybody and writes the figures', async () => {
  const [json, report] = [join(folder, 'figures.json'), join(folder, 'report.md')];
  const quick = ['--only', 'point', '--seconds', '0.05', '--rounds', '1', '--callers', '8'];
  const { stdout } = await bench(...quick, '--json', json, '--report', report);
  const figures = JSON.parse(await readFile(json, 'utf8')) as BenchReport;
  expect(figures).toMatchObject({
    machine: {
      cpu: expect.any(String),
      cores: expect.any(Number),
      memoryGb: expect.any(Number),
      node: process.version,
      postgresql: expect.stringMatching(/^\d+/),
      pg: expect.stringMatching(/^8\./),
    },
    date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    failures: [],
    workloads: [{ name: 'point' }],
  });
  const results = figures.workloads[0]?.results ?? [];
  const others = ['pg.Pool named', 'postgres.js', 'TypeORM', 'Kysely on pg.Pool', 'Knex'];
  const names = results.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['pg.Pool', 'nestjs-database', ...others]));
  for (const result of results) {
    expect(result.opsPerS).toBeGreaterThan(0);
    expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    expect(result.ratioMin).toBeLessThanOrEqual(result.ratio);
    expect(result.ratioMax).toBeGreaterThanOrEqual(result.ratio);
    if (result.name !== 'pgbench') expect(result.cpuUs).toBeGreaterThan(0);
    expect(stdout).toContain(`  ${result.name} `);
  }
  expect(await readFile(report, 'utf8')).toMatch(
    new RegExp(`^\\| pg\\.Pool +\\| +${results[0]?.opsPerS} \\|`, 'm'),
  );
}, 60_000);

it('ends with 2 and one line for an argument that cannot be obeyed', async () => {
  // An error of Node itself, which is none of Jest's `Error`.
  await expect(bench('--only', 'nosuch')).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(
      /^--only nosuch: "nosuch" is no workload\. Choose among .+, separated by commas\.\n$/,
    ),
  });
});
