// What the health room reports.

/** `unknown`: nothing is known, or what is known is too old. */
export type HealthState = 'up' | 'degraded' | 'down' | 'unknown';

/** What is checked. */
export type HealthCheckName = 'connection' | 'role' | 'pool' | 'latency' | 'replicas' | 'circuit';

/** What one check concludes. Holds no host, no SQL and no text of an error: it may be shown to anybody. */
export interface HealthVerdict {
  readonly state: HealthState;
  readonly reason: string;
  /** Age of what the verdict rests on, in ms; 0 for live figures, undefined when there is nothing yet. */
  readonly ageMs: number | undefined;
  readonly figures: Readonly<Record<string, number>>;
}

/** A verdict and how long its state has lasted. */
export interface HealthCheckReport extends HealthVerdict {
  /** Time since the check entered this state, in ms, as far as it was observed. */
  readonly lastsMs: number;
}

/** The health of an instance. */
export interface HealthReport {
  /** Down or unknown as the worst of connection and role, else degraded when any check is. */
  readonly state: HealthState;
  readonly isReady: boolean;
  /** True from the first sign of shutdown. */
  readonly isClosing: boolean;
  /** Empty when `health` is `false`. */
  readonly checks: Readonly<Partial<Record<HealthCheckName, HealthCheckReport>>>;
}

/** Whether requests should be sent here. */
export interface Readiness {
  readonly isReady: boolean;
  /** As Terminus words it. */
  readonly status: 'ok' | 'degraded' | 'error' | 'shutting_down';
  /** The checks that end readiness. */
  readonly failed: readonly HealthCheckName[];
}
