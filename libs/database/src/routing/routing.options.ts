// Who may answer a read, and how often nodes are asked for their role and lag.
import type { Checks } from '../kernel/option-checks.js';
import type { Consistency } from '../query/query.js';

/** Choice of nodes. */
export interface RoutingOptions {
  /** Replicas that lag more than this are not asked, in ms. @default 10000 */
  readonly maxLagMs: number;
  /** Freshness of `read()` unless the call says otherwise. @default 'eventual' */
  readonly consistency: Consistency;
  /** Whether the position of each write is asked for, for `consistency: 'session'`; `auto`: with several servers. @default 'auto' */
  readonly trackWrites: boolean | 'auto';
  /** Longest wait of a `session` read for a replica to have the write, before it asks the primary, in ms. @default 20 */
  readonly sessionWaitMs: number;
  /** Longest wait of a write for a primary to appear, while none is known: a failover, in ms. @default 5000 */
  readonly failoverWaitMs: number;
  /** Pause between two probes of a node, on a connection of their own, in ms. @default 1000 */
  readonly probeIntervalMs: number;
  /** A node that does not answer its probe within this time counts as unreachable, in ms. @default 1500 */
  readonly probeTimeoutMs: number;
}

/** Defaults of {@link RoutingOptions}. */
export const ROUTING_DEFAULTS: RoutingOptions = Object.freeze({
  maxLagMs: 10_000,
  consistency: 'eventual',
  trackWrites: 'auto',
  sessionWaitMs: 20,
  failoverWaitMs: 5_000,
  probeIntervalMs: 1_000,
  probeTimeoutMs: 1_500,
});

/** Checks the slice `routing`. */
export function checkRouting(routing: RoutingOptions, checks: Checks): void {
  checks.durationMs('routing.maxLagMs', routing.maxLagMs, { min: 0 });
  checks.oneOf('routing.consistency', routing.consistency, ['primary', 'session', 'eventual']);
  checks.oneOf('routing.trackWrites', routing.trackWrites, [true, false, 'auto']);
  checks.durationMs('routing.sessionWaitMs', routing.sessionWaitMs, { min: 0 });
  checks.durationMs('routing.failoverWaitMs', routing.failoverWaitMs, { min: 0 });
  checks.durationMs('routing.probeIntervalMs', routing.probeIntervalMs, { min: 50 });
  checks.durationMs('routing.probeTimeoutMs', routing.probeTimeoutMs, { min: 50 });
}
