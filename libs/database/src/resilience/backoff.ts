// Pure: the number of an attempt becomes the wait before it.

/** Shape of a backoff. */
export interface Backoff {
  readonly initialDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  /** Share of the wait that is random, 0 to 1. */
  readonly jitter: number;
}

/**
 * Wait after `failures` failed attempts, in ms: `initial * factor^(failures - 1)`, at most `maxDelayMs`,
 * of which the share `jitter` is drawn at random ("equal jitter" at 0.5, "full jitter" at 1).
 */
export function backoffMs(backoff: Backoff, failures: number, random = Math.random): number {
  const grown = backoff.initialDelayMs * backoff.factor ** Math.max(0, failures - 1);
  const whole = Math.min(grown, backoff.maxDelayMs);
  return whole * (1 - backoff.jitter + backoff.jitter * random());
}
