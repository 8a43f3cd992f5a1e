// Counts and times of requests, in bounded memory however long the demo runs.

/** Neighbouring buckets differ by 2 %, which is the error of a percentile. */
const GROWTH = Math.log(1.02);
/** The last bucket ends at about 400 s. */
const BUCKETS = 1_000;

/** Requests of one kind, or of all kinds. */
export class Tally {
  private readonly buckets = new Uint32Array(BUCKETS);
  private readonly outcomes = new Map<string, number>();
  private longestMs = 0;
  private total = 0;

  /** @param outcome the status, or the name of the network error */
  add(outcome: string, durationMs: number): void {
    const bucket = Math.floor(Math.log(Math.max(durationMs * 1_000, 1)) / GROWTH);
    const index = Math.min(bucket, BUCKETS - 1);
    this.buckets[index] = (this.buckets[index] ?? 0) + 1;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.longestMs = Math.max(this.longestMs, durationMs);
    this.total++;
  }

  get count(): number {
    return this.total;
  }

  get maxMs(): number {
    return this.longestMs;
  }

  /** By outcome, in the order of their names. */
  get byOutcome(): ReadonlyArray<readonly [outcome: string, count: number]> {
    return [...this.outcomes].sort(([a], [b]) => a.localeCompare(b));
  }

  /** Requests that failed: answers from 500 on and network errors. Refused orders are answers. */
  get errors(): number {
    return this.byOutcome.reduce(
      (sum, [outcome, count]) => sum + (isError(outcome) ? count : 0),
      0,
    );
  }

  /** Upper end of the bucket of the quantile, never above the longest, in ms; 0 without requests. @param quantile from 0 to 1 */
  quantileMs(quantile: number): number {
    let remaining = Math.ceil(this.total * quantile);
    for (const [index, count] of this.buckets.entries()) {
      remaining -= count;
      if (remaining > 0 || count === 0) continue;
      return Math.min(Math.exp((index + 1) * GROWTH) / 1_000, this.longestMs);
    }
    return 0;
  }
}

/** True for answers from 500 on, for 429, and for what is no status at all. */
export function isError(outcome: string): boolean {
  const status = Number(outcome);
  return !(status >= 200 && status < 500) || status === 429;
}
