// How long a shared read may hold up those behind it: short where all are fast, longer where the machine is busy.

/** Above this nobody waits, in ms. */
const MOST_MS = 3;
/** Below this the timers of the process are too coarse to tell, in ms. */
const LEAST_MS = 0.75;
/** Beyond as many times the slowest one of late, a read is not just one of many. */
const TIMES = 4;
/** What is left of the slowest one with each answer: half of it after 34. */
const DECAY = 0.98;

/** That of reads of which this is known, in ms. */
export function limitOf(usualMs: number): number {
  return Math.min(MOST_MS, Math.max(LEAST_MS, TIMES * usualMs));
}

/** Learned from the answers of one lane: on a busy machine each takes its turn, and to send them again would add to that. */
export class StallLimit {
  private slowestMs = MOST_MS / TIMES;

  /** In ms beyond the round trip, from 0.75 to 3. */
  get ms(): number {
    return limitOf(this.slowestMs);
  }

  /** A shared read took this time of its own. */
  took(serviceMs: number): void {
    this.slowestMs = Math.max(serviceMs, this.slowestMs * DECAY);
  }
}
