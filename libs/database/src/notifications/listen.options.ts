// How long a LISTEN may take, how a dead line is noticed, and how far a handler may fall behind.
import type { Checks } from '../kernel/option-checks.js';

/** The connection that notifications come on. */
export interface ListenerOptions {
  /**
   * Where to listen when `url` leads to a pooler that shares backends between transactions: the server itself. Several
   * hosts, separated by commas, are tried until one of them is the primary.
   */
  readonly url?: string | undefined;
  /** Longest time until `listen()` is acknowledged, attempts to connect included, in ms. @default 10000 */
  readonly readyTimeoutMs: number;
  /** Pause between two questions whether the line lives, for notifications may be rare, in ms. @default 2000 */
  readonly heartbeatIntervalMs: number;
  /** Longest time for an answer; then the line is given up and opened anew, in ms. @default 2000 */
  readonly heartbeatTimeoutMs: number;
  /**
   * Notifications that wait for a slow handler; more are dropped and reported as a gap. One read of the socket may bring
   * 5000 at once.
   * @default 10000
   */
  readonly maxQueued: number;
}

/** Defaults of {@link ListenerOptions}. */
export const LISTEN_DEFAULTS: ListenerOptions = Object.freeze({
  readyTimeoutMs: 10_000,
  heartbeatIntervalMs: 2_000,
  heartbeatTimeoutMs: 2_000,
  maxQueued: 10_000,
});

/** Keys of the slice `listen`. */
export const LISTEN_KEYS: ReadonlyArray<keyof ListenerOptions> = [
  'url',
  'readyTimeoutMs',
  'heartbeatIntervalMs',
  'heartbeatTimeoutMs',
  'maxQueued',
];

/** Checks the slice `listen`; its URL is taken apart where those of the servers are. */
export function checkListen(listen: ListenerOptions, checks: Checks): void {
  checks.durationMs('listen.readyTimeoutMs', listen.readyTimeoutMs, { min: 1 });
  checks.durationMs('listen.heartbeatIntervalMs', listen.heartbeatIntervalMs, { min: 50 });
  checks.durationMs('listen.heartbeatTimeoutMs', listen.heartbeatTimeoutMs, { min: 50 });
  checks.count('listen.maxQueued', listen.maxQueued, { min: 1 });
}
