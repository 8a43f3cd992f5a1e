import { expect, it } from '@jest/globals';
import { runRounds } from './rounds.js';
import type { Contestant } from './rounds.js';

function contestants(log: string[]): Contestant[] {
  return ['pg.Pool', 'b', 'c'].map((name, index) => ({
    name,
    verify: async () => void log.push(`verify ${name}`),
    round: async () => {
      log.push(name);
      return {
        ...{ opsPerS: index + 1, p50Ms: 1, p99Ms: 1, cpuUs: 1 },
      };
    },
  }));
}

it('verifies and warms up everybody, then measures all in each round, each round beginning with another', async () => {
  const log: string[] = [];
  const results = await runRounds(contestants(log), 4);
  expect(log.slice(0, 6)).toEqual(['verify pg.Pool', 'pg.Pool', 'verify b', 'b', 'verify c', 'c']);
  expect(log.slice(6)).toEqual([
    ...['pg.Pool', 'b', 'c'],
    ...['b', 'c', 'pg.Pool'],
    ...['c', 'pg.Pool', 'b'],
    ...['pg.Pool', 'b', 'c'],
  ]);
  expect(results.map(({ name, ratio }) => [name, ratio])).toEqual([
    ['pg.Pool', 1],
    ['b', 2],
    ['c', 3],
  ]);
});

it('says whose answer was wrong, and measures nobody who gave one', async () => {
  const log: string[] = [];
  const [first, second] = contestants(log) as [Contestant, Contestant];
  const liar = { ...second, verify: () => Promise.reject(new Error('not the row')) };
  await expect(runRounds([first, liar], 1)).rejects.toThrow('b: not the row');
  expect(log).toEqual(['verify pg.Pool', 'pg.Pool']);
});
