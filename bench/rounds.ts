// Interleaved rounds: each measures every peer once, and each begins with another peer.
import { memoryMb, within } from './measure.js';
import { summarizeAll } from './statistics.js';
import type { Result, Sample } from './statistics.js';

/** Whom all others are compared with. */
export const BASELINE = 'pg.Pool';

const VERIFY_MS = 30_000;

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
 * Verifies and warms up everybody once, then runs the rounds.
 * @throws what a contestant throws, with its name in front
 */
export async function runRounds(
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Result[]> {
  for (const contestant of contestants) {
    await inTheNameOf(contestant.name, () =>
      within(contestant.verify(), VERIFY_MS, 'the first answer'),
    );
    await inTheNameOf(contestant.name, () => contestant.round());
  }
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
