// When the database counts as degraded, and when the application stops being ready.
import type { Checks } from '../../kernel/option-checks.js';

/** Thresholds of the health checks. Only a lost or missing primary ends readiness; the rest degrades. */
export interface HealthOptions {
  /** Probes in a row that fail before the connection is down; one database must not take every process out at once. @default 3 */
  readonly failuresInARow: number;
  /** Whether readiness needs a node that takes writes; false for an application that only reads. @default true */
  readonly requirePrimary: boolean;
  /** Time without a primary, while other nodes answer, before the role is down, in ms. @default 10000 */
  readonly primaryGraceMs: number;
  /** What probes saw longer ago is unknown, in ms; at least twice `routing.probeIntervalMs`, and three times that unless chosen. @default 15000 */
  readonly staleAfterMs: number;
  /** Share of a pool's connections in use from which it is degraded, above 0 to 1. @default 0.8 */
  readonly saturationRatio: number;
  /** Round trip of a probe above which the latency is degraded, in ms. @default 250 */
  readonly maxLatencyMs: number;
  /** 95th percentile of the application's queries above which the latency is degraded, in ms; 0 judges none. @default 1000 */
  readonly maxP95Ms: number;
  /** Lag of a replica above which replicas are degraded, in ms. @default 10000 */
  readonly maxLagMs: number;
  /** The same in bytes of write-ahead log; 0 judges none. @default 67108864 */
  readonly maxLagBytes: number;
  /** Time between the first 503 of readiness and the closing of the HTTP server, for load balancers to notice, in ms; 0 is none. @default 0 */
  readonly drainDelayMs: number;
}

/** Defaults of {@link HealthOptions}. */
export const HEALTH_DEFAULTS: HealthOptions = Object.freeze({
  failuresInARow: 3,
  requirePrimary: true,
  primaryGraceMs: 10_000,
  staleAfterMs: 15_000,
  saturationRatio: 0.8,
  maxLatencyMs: 250,
  maxP95Ms: 1_000,
  maxLagMs: 10_000,
  maxLagBytes: 67_108_864,
  drainDelayMs: 0,
});

/**
 * Lays the slice `health` over its defaults and checks it; `false` judges nothing, and readiness ends
 * with the shutdown alone. `probeIntervalMs` is that of routing.
 */
export function resolveHealth(
  given: unknown,
  checks: Checks,
  { probeIntervalMs }: { readonly probeIntervalMs: number },
): HealthOptions | false {
  if (given === false) return false;
  // A default yields to probes that were chosen to be rare; a chosen value is checked.
  const staleAfterMs = Math.max(HEALTH_DEFAULTS.staleAfterMs, 3 * probeIntervalMs);
  const health = checks.slice('health', given, { ...HEALTH_DEFAULTS, staleAfterMs });
  checks.count('health.failuresInARow', health.failuresInARow, { min: 1, max: 1_000 });
  checks.boolean('health.requirePrimary', health.requirePrimary);
  checks.durationMs('health.primaryGraceMs', health.primaryGraceMs, { min: 0 });
  checks.durationMs('health.staleAfterMs', health.staleAfterMs, { min: 1 });
  if (health.staleAfterMs < 2 * probeIntervalMs) {
    const rule = `must be at least twice routing.probeIntervalMs (${probeIntervalMs})`;
    const mend = 'Raise health.staleAfterMs, or probe more often.';
    checks.problem('health.staleAfterMs', health.staleAfterMs, rule, mend);
  }
  checks.number('health.saturationRatio', health.saturationRatio, { min: 0.01, max: 1 });
  checks.durationMs('health.maxLatencyMs', health.maxLatencyMs, { min: 1 });
  checks.durationMs('health.maxP95Ms', health.maxP95Ms, { min: 0 });
  checks.durationMs('health.maxLagMs', health.maxLagMs, { min: 0 });
  checks.durationMs('health.drainDelayMs', health.drainDelayMs, { min: 0, max: 600_000 });
  checks.count('health.maxLagBytes', health.maxLagBytes, { min: 0 });
  return Object.freeze(health);
}
