// What is left on the screen when the demo is over.
import type { PoolPeaks } from './pool-figures.js';
import { milliseconds, whole } from './screen.view.js';
import { isError, type Tally } from './tally.js';
import type { Traffic } from './traffic.js';

/** Requests, times, answers, and what the pools did meanwhile. */
export function summary(traffic: Traffic, seconds: number, pools: readonly PoolPeaks[]): string {
  const { all, kinds } = traffic;
  const lines = [
    '',
    `  ${whole(all.count)} requests in ${seconds.toFixed(1)} s: ${whole(all.count / seconds)} requests/s`,
    '',
    times('all', all),
    ...[...kinds].map(([kind, tally]) => times(kind, tally)),
    '',
    `  answers   ${outcomes(all, (outcome) => !isError(outcome)) || 'none'}`,
    `  errors    ${outcomes(all, isError) || 'none'}`,
    ...pools.map(
      ({ name, max, peakLeased, peakWaiting, meanRatio }) =>
        `  pool      ${name}: at most ${peakLeased} of ${max} leased and ${peakWaiting} waiting, ` +
        `${Math.round(meanRatio * 100)} % in use on average`,
    ),
    '',
  ];
  return lines.join('\n');
}

function times(name: string, tally: Tally): string {
  const quantile = (value: number): string => milliseconds(tally.quantileMs(value)).padStart(10);
  const figures = `p50 ${quantile(0.5)}   p99 ${quantile(0.99)}   max ${milliseconds(tally.maxMs).padStart(10)}`;
  return `  ${name.padEnd(10)}${whole(tally.count).padStart(9)}   ${figures}`;
}

const MEANINGS: Readonly<Record<string, string>> = {
  '200': 'read',
  '201': 'orders placed',
  '422': 'orders refused: too little cash or too few shares',
};

function outcomes(tally: Tally, matches: (outcome: string) => boolean): string {
  return tally.byOutcome
    .filter(([outcome]) => matches(outcome))
    .map(([outcome, count]) => {
      const meaning = MEANINGS[outcome];
      return `${whole(count)} x ${outcome}${meaning === undefined ? '' : ` (${meaning})`}`;
    })
    .join(', ');
}
