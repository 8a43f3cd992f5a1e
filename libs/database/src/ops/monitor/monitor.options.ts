// What the monitor keeps.
import type { Checks } from '../../kernel/option-checks.js';

/** Sampling of the instance once a second. */
export interface MonitorOptions {
  /** Whether figures are kept: 1 s for 10 minutes, 1 min for 24 hours, 1 h for 30 days; 0.4 MB. @default true */
  readonly history: boolean;
  /** Whether the lag of the event loop is measured, by a timer every 50 ms. @default true */
  readonly eventLoopLag: boolean;
}

/** Defaults of {@link MonitorOptions}. */
export const MONITOR_DEFAULTS: MonitorOptions = Object.freeze({
  history: true,
  eventLoopLag: true,
});

/** Lays the slice `monitor` over its defaults and checks it; `false` samples nothing. */
export function resolveMonitor(given: unknown, checks: Checks): MonitorOptions | false {
  if (given === false) return false;
  const monitor = checks.slice('monitor', given, MONITOR_DEFAULTS);
  checks.boolean('monitor.history', monitor.history);
  checks.boolean('monitor.eventLoopLag', monitor.eventLoopLag);
  return Object.freeze(monitor);
}
