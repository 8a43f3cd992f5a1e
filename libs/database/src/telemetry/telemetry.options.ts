// What is measured and what is written to the log.
import type { Checks } from '../kernel/option-checks.js';

/** Figures about queries, and the log. */
export interface TelemetryOptions {
  /** Whether noteworthy events are written through Nest's logger. @default true */
  readonly log: boolean;
  /** Lines of the same kind about the same node within this time are written `logBurst` times, then counted, in ms. @default 60000 */
  readonly logRepeatMs: number;
  /** Lines of one kind about one node before the rest is only counted. @default 3 */
  readonly logBurst: number;
  /** Time over which p50, p95 and p99 are taken, in ms. @default 60000 */
  readonly windowMs: number;
}

/** Defaults of {@link TelemetryOptions}. */
export const TELEMETRY_DEFAULTS: TelemetryOptions = Object.freeze({
  log: true,
  logRepeatMs: 60_000,
  logBurst: 3,
  windowMs: 60_000,
});

/** Lays the slice `telemetry` over its defaults and checks it; `false` measures and writes nothing. */
export function resolveTelemetry(given: unknown, checks: Checks): TelemetryOptions | false {
  if (given === false) return false;
  const telemetry = checks.slice('telemetry', given, TELEMETRY_DEFAULTS);
  checks.boolean('telemetry.log', telemetry.log);
  checks.durationMs('telemetry.logRepeatMs', telemetry.logRepeatMs, { min: 1_000 });
  checks.count('telemetry.logBurst', telemetry.logBurst, { min: 1, max: 1_000 });
  checks.durationMs('telemetry.windowMs', telemetry.windowMs, { min: 6_000, max: 3_600_000 });
  return Object.freeze(telemetry);
}
