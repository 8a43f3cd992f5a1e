import { expect, it } from '@jest/globals';
import { check } from 'prettier';
import { renderReport, resultLine } from './report.js';
import type { BenchReport } from './report.js';
import type { Result } from './statistics.js';

const result = (name: string, more: Partial<Result> = {}): Result => ({
  ...{ name, opsPerS: 1_000, p50Ms: 1.5, p99Ms: 3.25, cpuUs: 120, heapUsedMb: 20, rssMb: 150 },
  ...{ ratio: 1, ratioMin: 1, ratioMax: 1 },
  ...more,
});
const ours = result('nestjs-database', { opsPerS: 2_000, ratio: 2, ratioMin: 1.9, ratioMax: 2.1 });
const report: BenchReport = {
  machine: {
    ...{ cpu: 'Some CPU', cores: 2, memoryGb: 8, node: 'v20.0.0', postgresql: '18.1', pg: '8.1.0' },
    ...{ packages: { pg: '8.1.0', knex: '3.0.0' }, loadBefore: 0.5, pgbench: false },
  },
  date: '2024-05-06T07:08:09.000Z',
  settings: { seconds: 2, rounds: 5, callers: 64, connections: 20 },
  workloads: [
    { name: 'point', about: 'Reads one row.', results: [result('pg.Pool'), ours] },
    {
      name: 'shutdown',
      about: 'Closes.',
      results: [result('pg.Pool', { cpuUs: null, extra: { neverSettled: 44 } })],
    },
  ],
  failures: [{ name: 'insert', error: 'b: no\nsuch | table' }],
};
/** Cells of the table rows, without the padding. */
const rowsOf = (page: string): string[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replace(/ +/g, ' '));

it('is a page with the machine at its head and one table a workload', async () => {
  const page = await renderReport(report);
  expect(page.match(/^#+ .+/gm)).toEqual([
    '# Benchmarks',
    '## point',
    '## shutdown',
    '## Without figures',
  ]);
  const rows = rowsOf(page);
  expect(rows).toEqual(
    expect.arrayContaining([
      '| CPU | 2 x Some CPU |',
      '| PostgreSQL | 18.1 |',
      '| packages | pg 8.1.0, knex 3.0.0 |',
      '| pgbench | was not there |',
      '| run | 5 rounds of 2 s, 64 callers, 20 connections |',
      '| pg.Pool | 1000 | 1 | 1.5 | 3.25 | 120 |',
      '| **nestjs-database** | 2000 | 2 (1.9 to 2.1) | 1.5 | 3.25 | 120 |',
      '| pg.Pool | 1000 | 1 | 1.5 | 3.25 | | 44 |',
      '| insert | b: no such table |',
    ]),
  );
  expect(page.match(/^Memory: 20 MB of heap, 150 MB resident\.$/gm)).toHaveLength(2);
});

it('has the form that the formatter asks for', async () => {
  const options = { parser: 'markdown', printWidth: 100, singleQuote: true } as const;
  expect(await check(await renderReport(report), options)).toBe(true);
});

it('is the same for what was written as JSON', async () => {
  const read = JSON.parse(JSON.stringify(report)) as BenchReport;
  expect(await renderReport(read)).toBe(await renderReport(report));
});

it('tells a result in one line', () => {
  expect(resultLine(ours).replace(/ +/g, ' ')).toBe(
    ' nestjs-database 2000/s ratio 2 (1.9 to 2.1) p50 1.5 ms p99 3.25 ms cpu 120 us',
  );
});
