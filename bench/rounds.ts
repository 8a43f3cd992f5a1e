// Interleaved rounds: each measures every peer once, and each begins with another peer.
import { memoryMb, within } from './measure.js';
import { summarizeAll } from './statistics.js';
import type { Result, Sample } from './statistics.js';

/** Whom all others are compared with. */
export const BASELINE = 'pg.Pool';

const VERIFY_MS = 30_000;
/** Nobody is warm who became faster than ever by more than this: compilers still work on what he runs. */
const WARMER = 1.1;
/** Laps of everybody after which the rounds begin in any case: on a busy machine somebody is always faster than before. */
const MAX_LAPS = 5;

/** One of those who are measured beside each other. */
export interface Contestant {
  readonly name: string;
  /** @throws when an answer is not the expected one. */
  verify(): Promise<void>;
  round(): Promise<Sample>;
}

async function inTheNameOf<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${name}: ${reason}`, { cause });
  }
}

/**
 * Verifies everybody, and lets everybody run until nobody becomes faster any more. All in turn, for what one of them runs
 * is compiled anew when another one runs it in another way. A data source of TypeORM needs some two seconds.
 */
async function warmUp(contestants: readonly Contestant[]): Promise<void> {
  const best = new Map<Contestant, number>();
  let isWarm = false;
  for (let lap = 0; lap < MAX_LAPS && !isWarm; lap++) {
    isWarm = true;
    for (const contestant of contestants) {
      const { opsPerS } = await inTheNameOf(contestant.name, async () => {
        if (lap === 0) await within(contestant.verify(), VERIFY_MS, 'the first answer');
        return contestant.round();
      });
      const bestOpsPerS = best.get(contestant) ?? 0;
      if (opsPerS > bestOpsPerS * WARMER) isWarm = false;
      best.set(contestant, Math.max(opsPerS, bestOpsPerS));
    }
  }
}

/**
 * Warms everybody up, then runs the rounds.
 * @throws what a contestant throws, with its name in front
 */
export async function runRounds(
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Result[]> {
  await warmUp(contestants);
  const series = contestants.map(({ name }) => ({ name, samples: [] as Sample[] }));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (round + turn) % contestants.length;
      const contestant = contestants[index];
      if (contestant === undefined) continue;
      const sample = await inTheNameOf(contestant.name, () => contestant.round());
      series[index]?.samples.push(sample);
    }
  }
  return summarizeAll(series, BASELINE, memoryMb());
}
