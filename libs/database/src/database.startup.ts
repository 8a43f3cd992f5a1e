// The first connection: how long the application waits for its database, or that it does not.
import type { Clock } from './kernel/clock.js';
import { ConnectionError } from './kernel/errors.js';
import type { Checks } from './kernel/option-checks.js';
import { backoffMs } from './resilience/backoff.js';
import type { Topology } from './routing/topology.js';

/** What happens when the application starts. */
export interface StartupOptions {
  /** Attempts to reach the primary before the start fails. @default 5 */
  readonly attempts: number;
  /** Wait before the second attempt, in ms. @default 1000 */
  readonly initialDelayMs: number;
  /** Each further wait is this many times longer. @default 2 */
  readonly factor: number;
  /** Longest wait, in ms. @default 30000 */
  readonly maxDelayMs: number;
  /** False starts the application without its database; it connects by itself later. @default true */
  readonly waitForDatabase: boolean;
}

/** Defaults of {@link StartupOptions}. */
export const STARTUP_DEFAULTS: StartupOptions = Object.freeze({
  attempts: 5,
  initialDelayMs: 1_000,
  factor: 2,
  maxDelayMs: 30_000,
  waitForDatabase: true,
});

/** Checks the slice `startup`. */
export function checkStartup(startup: StartupOptions, checks: Checks): void {
  checks.count('startup.attempts', startup.attempts, { min: 1, max: 1_000 });
  checks.durationMs('startup.initialDelayMs', startup.initialDelayMs, { min: 0 });
  checks.number('startup.factor', startup.factor, { min: 1, max: 10 });
  checks.durationMs('startup.maxDelayMs', startup.maxDelayMs, { min: 0 });
  checks.boolean('startup.waitForDatabase', startup.waitForDatabase);
}

/**
 * Resolves when a primary was seen. Replicas are not waited for: a dead one does not stop the start.
 * @throws ConnectionError after the last attempt, at once when asking again cannot help.
 */
export async function waitForPrimary(
  topology: Topology,
  startup: StartupOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await topology.refreshUntil(() => topology.reachablePrimary() !== undefined);
    if (topology.reachablePrimary() !== undefined) return;
    const error = topology.lastFailure();
    const isHopeless = error instanceof ConnectionError && !error.transient;
    if (isHopeless || attempt >= startup.attempts) {
      throw new ConnectionError(
        `The database could not be reached in ${attempt} attempt${attempt === 1 ? '' : 's'}: ` +
          `${error?.message ?? `no host is a primary (${topology.describe()}).`} To start without it, set startup.waitForDatabase to false.`,
        { cause: error, safeToRetry: true, outage: true, transient: !isHopeless },
      );
    }
    await clock.sleep(backoffMs({ ...startup, jitter: 0 }, attempt), signal);
  }
}
