// One slow query and 50 fast ones at the same time: how long do the fast ones take?
import { strictEqual } from 'node:assert/strict';
import { cpuSinceUs, sampleOf, within } from '../measure.js';
import { keyOf } from '../peers/peer.js';
import type { Peer } from '../peers/peer.js';
import { BARE, openPeer } from '../peers/peers.js';
import { runRounds } from '../rounds.js';
import type { Contestant } from '../rounds.js';
import { checkPoint, TEXTS } from '../schema.js';
import { required, withPools } from './workload.js';
import type { Workload } from './workload.js';

const FAST = 50;
const SLOW_S = 1.5;
/** Calls that let everybody learn that the text is fast, before it is slow. */
const LESSONS = 40;
/** Times that the fast ones are asked beforehand: else the time would be that of code which nobody has optimised yet. */
const WARM_UPS = 60;
const LIMIT_MS = 30_000;
/** A function of one argument that takes as long as the value says. */
const SLOW_TEXT = 'select id, value, pg_sleep($2::float8) from point where id = $1';

function contestant({ name, sql }: Peer, signal: AbortSignal): Contestant {
  const { read } = required(sql, name, 'SQL');
  const slow = (seconds: number) => read(SLOW_TEXT, [1, seconds]);
  const fast = (n: number) => read(TEXTS.point, [keyOf(n)]);
  const fastOnes = <T>(of: (n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: FAST }, (_, n) => of(n)));
  const run = async () => {
    for (let n = 0; n < WARM_UPS; n++) await fastOnes(fast);
    // Both texts in turn, so that whoever judges by experience has some.
    for (let n = 0; n < LESSONS; n++) await Promise.all([slow(0), fast(n)]);
    const fromCpu = process.cpuUsage();
    const fromMs = performance.now();
    const slowOne = slow(SLOW_S);
    const asked = fastOnes(async (n) => {
      checkPoint((await fast(n))[0], keyOf(n));
      return performance.now() - fromMs;
    });
    const [timesMs, elapsedMs] = await asked.then(
      (times) => [times, performance.now() - fromMs] as const,
      async (error: unknown) => {
        await slowOne.catch(() => undefined);
        throw error;
      },
    );
    const cpuUs = cpuSinceUs(fromCpu);
    strictEqual((await slowOne).length, 1);
    const slowMs = performance.now() - fromMs;
    return { ...sampleOf(timesMs, elapsedMs, cpuUs), extra: { slowMs } };
  };
  return {
    name,
    verify: async () => checkPoint((await fast(4_711))[0], keyOf(4_711)),
    round: () => within(run(), LIMIT_MS, 'the slow and the fast queries', signal),
  };
}

/** On two connections, where one slow query is half of all, and on as many as usual. */
export const headOfLine = [2, 20].map((connections): Workload => ({
  name: `headOfLine/${connections}`,
  about:
    `${FAST} \`point\` reads at the same time as one query of ${SLOW_S} s, whose text was fast in ${LESSONS} calls ` +
    `before, in a process that is warm, on ${connections} connections. Times are those of the fast ones.`,
  run: ({ url, rounds, signal }) =>
    withPools({ url, connections }, async (pools) => {
      const contestants: Contestant[] = [];
      for (const name of BARE) contestants.push(contestant(await openPeer(name, pools), signal));
      return runRounds(contestants, rounds);
    }),
}));
