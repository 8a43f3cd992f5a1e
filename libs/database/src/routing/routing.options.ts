// Who may answer a read, and how often nodes are asked for their role and lag.
import type { Checks } from '../kernel/option-checks.js';
import type { Consistency } from '../query/query.js';

/** Choice of nodes. */
export interface RoutingOptions {
  /** Replicas that lag more than this are not asked, in ms. @default 10000 */
  readonly maxLagMs: number;
  /** Replicas that lag more than this are not asked, in bytes of write-ahead log; 0 sets no limit. @default 0 */
  readonly maxLagBytes: number;
  /** Time in which the share of a replica that came back grows to that of the others, in ms; 0 gives it at once. @default 10000 */
  readonly slowStartMs: number;
  /**
   * Share of the replicas that may be out at a time before circuits stop opening: when most of them fail, the
   * fault may be ours, and the primary could not bear the load of all. One may always be out.
   * @default 0.5
   */
  readonly maxEjectedRatio: number;
  /**
   * Share of the reads in one second that may fall back on the primary because no replica is fit; those
   * beyond it get a ReplicasLostError. 1 lets all of them: right where replicas are there for safety only.
   * @default 1
   */
  readonly fallbackRatio: number;
  /** Freshness of `read()` unless the call says otherwise. @default 'eventual' */
  readonly consistency: Consistency;
  /** Whether the position of each write is asked for, for `consistency: 'session'`; `auto`: with several servers. @default 'auto' */
  readonly trackWrites: boolean | 'auto';
  /** Longest wait of a `session` read for a replica to have the write, before it asks the primary, in ms. @default 20 */
  readonly sessionWaitMs: number;
  /**
   * Longest wait of a call for a primary, while none is known: a failover, in ms. Where other servers could take over,
   * one that is lost counts as well. 0: nobody waits. @default 5000
   */
  readonly failoverWaitMs: number;
  /** Pause between two probes of a node, on a connection of their own, in ms. @default 1000 */
  readonly probeIntervalMs: number;
  /** A node that does not answer its probe within this time counts as unreachable, in ms. @default 1500 */
  readonly probeTimeoutMs: number;
}

/** Defaults of {@link RoutingOptions}. */
export const ROUTING_DEFAULTS: RoutingOptions = Object.freeze({
  maxLagMs: 10_000,
  maxLagBytes: 0,
  slowStartMs: 10_000,
  maxEjectedRatio: 0.5,
  fallbackRatio: 1,
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
  checks.count('routing.maxLagBytes', routing.maxLagBytes, { min: 0 });
  checks.durationMs('routing.slowStartMs', routing.slowStartMs, { min: 0 });
  checks.number('routing.maxEjectedRatio', routing.maxEjectedRatio, { min: 0, max: 1 });
  checks.number('routing.fallbackRatio', routing.fallbackRatio, { min: 0, max: 1 });
  checks.oneOf('routing.consistency', routing.consistency, ['primary', 'session', 'eventual']);
  checks.oneOf('routing.trackWrites', routing.trackWrites, [true, false, 'auto']);
  checks.durationMs('routing.sessionWaitMs', routing.sessionWaitMs, { min: 0 });
  checks.durationMs('routing.failoverWaitMs', routing.failoverWaitMs, { min: 0 });
  checks.durationMs('routing.probeIntervalMs', routing.probeIntervalMs, { min: 50 });
  checks.durationMs('routing.probeTimeoutMs', routing.probeTimeoutMs, { min: 50 });
}
