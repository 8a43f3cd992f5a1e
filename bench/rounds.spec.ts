import { expect, it } from '@jest/globals';
import { runRounds } from './rounds.js';
import type { Contestant } from './rounds.js';

/** Each is as fast as the next one of its `speeds`, and in the end as the last one. */
function contestants(log: string[], speeds: readonly number[][] = [[1], [2], [3]]): Contestant[] {
  return ['pg.Pool', 'b', 'c'].map((name, index) => {
    const left = [...(speeds[index] ?? [])];
    return {
      name,
      verify: async () => void log.push(`verify ${name}`),
      round: async () => {
        log.push(name);
        const opsPerS = (left.length > 1 ? left.shift() : left[0]) ?? 0;
        return { opsPerS, p50Ms: 1, p99Ms: 1, cpuUs: 1 };
      },
    };
  });
}

it('verifies and warms up everybody, then measures all in each round, each round beginning with another', async () => {
  const log: string[] = [];
  const results = await runRounds(contestants(log), 4);
  expect(log.slice(0, 6)).toEqual(['verify pg.Pool', 'pg.Pool', 'verify b', 'b', 'verify c', 'c']);
  expect(log.slice(6, 9)).toEqual(['pg.Pool', 'b', 'c']);
  expect(log.slice(9)).toEqual([
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

it('lets everybody run until nobody becomes faster by more than a tenth', async () => {
  const log: string[] = [];
  const results = await runRounds(contestants(log, [[10], [1, 4, 9, 9.8], [5, 4, 3]]), 2);
  const laps = log.filter((name) => name === 'b').length - 2;
  expect(laps).toBe(4);
  expect(results.map(({ ratio }) => ratio)).toEqual([1, 0.98, 0.3]);
});

it('measures after five laps whoever is still becoming faster', async () => {
  const log: string[] = [];
  const endless = Array.from({ length: 100 }, (_, index) => 2 ** index);
  await runRounds(contestants(log, [[1], [1], endless]), 1);
  expect(log.filter((name) => name === 'c')).toHaveLength(5 + 1);
});

it('says whose answer was wrong, and measures nobody who gave one', async () => {
  const log: string[] = [];
  const [first, second] = contestants(log) as [Contestant, Contestant];
  const liar = { ...second, verify: () => Promise.reject(new Error('not the row')) };
  await expect(runRounds([first, liar], 1)).rejects.toThrow('b: not the row');
  expect(log).toEqual(['verify pg.Pool', 'pg.Pool']);
});
