// Waiting for a condition instead of sleeping for a time.
import { setTimeout as sleep } from 'node:timers/promises';

/** How long and how often to look. */
export interface WaitOptions {
  /** What is waited for; completes the sentence "waited in vain for ...". */
  readonly describe: string;
  /** @default 10000 */
  readonly timeoutMs?: number;
  /** @default 20 */
  readonly intervalMs?: number;
}

/**
 * Polls until the condition is truthy, and resolves to its value. A condition that throws does not hold
 * yet; the last thing that it threw is the cause of the failure.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { describe, timeoutMs = 10_000, intervalMs = 20 }: WaitOptions,
): Promise<NonNullable<T>> {
  const endsAt = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= endsAt) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${describe}`, { cause });
    }
    await sleep(intervalMs);
  }
}
