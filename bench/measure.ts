// One round of one peer: callers that call as fast as they are answered; calls per second, times, CPU, memory.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { quantile } from './statistics.js';
import type { Memory, Sample } from './statistics.js';

/** Beyond the end of a round: a call that takes longer will never be answered, in ms. */
const GRACE_MS = 30_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** One call of a workload; `n` counts up over all callers. */
export type Call = (n: number) => Promise<unknown>;

/** How a round is done. */
export interface RoundSettings {
  readonly seconds: number;
  readonly callers: number;
  /** Ends the round early. */
  readonly signal: AbortSignal;
}

/**
 * Heap and resident memory of this process, without garbage, in MB. Not between rounds: a full collection takes away the
 * optimised code for all shapes that no object has at that moment, and a library of many classes would begin cold.
 */
export function memoryMb(): Memory {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsedMb: heapUsed / 1e6, rssMb: rss / 1e6 };
}

/** CPU that this process has used since `since`, in us. */
export function cpuSinceUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

/**
 * Waits for `work`, but not longer than `timeoutMs`, nor after `signal`.
 * @throws naming `what` when it takes longer
 */
export async function within<T>(
  work: Promise<T>,
  timeoutMs: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const limit = new Promise<never>((_, reject) => {
    const late = `${what} was not done after ${timeoutMs / 1_000} s`;
    timer = setTimeout(() => reject(new Error(late)), timeoutMs);
    stop = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal?.removeEventListener('abort', stop);
  }
}

/** The figures of calls that took `timesMs` and `elapsedMs` in all. */
export function sampleOf(timesMs: Iterable<number>, elapsedMs: number, cpuUs: number): Sample {
  const sorted = Float64Array.from(timesMs).sort();
  if (sorted.length === 0) throw new Error('no call was answered');
  return {
    opsPerS: (sorted.length * 1_000) / elapsedMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    cpuUs: cpuUs / sorted.length,
  };
}

/**
 * One round: each caller calls, waits for the answer, and calls again.
 * @throws what the first failing call throws, when all callers have ended
 */
export async function measureCalls(call: Call, settings: RoundSettings): Promise<Sample> {
  const { seconds, callers, signal } = settings;
  const timesMs: number[] = [];
  let isOver = false;
  const fromCpu = process.cpuUsage();
  const fromMs = performance.now();
  const endsAtMs = fromMs + seconds * 1_000;
  const caller = async (first: number): Promise<void> => {
    let atMs = performance.now();
    for (let n = first; atMs < endsAtMs && !isOver; n += callers) {
      await call(n);
      const answeredAtMs = performance.now();
      timesMs.push(answeredAtMs - atMs);
      atMs = answeredAtMs;
    }
  };
  const all = Promise.allSettled(
    Array.from({ length: callers }, (_, first) =>
      caller(first).catch((error: unknown) => {
        isOver = true;
        throw error;
      }),
    ),
  );
  try {
    const ends = await within(all, seconds * 1_000 + GRACE_MS, 'a call', signal);
    const elapsedMs = performance.now() - fromMs;
    const cpuUs = cpuSinceUs(fromCpu);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return sampleOf(timesMs, elapsedMs, cpuUs);
  } finally {
    isOver = true;
  }
}
