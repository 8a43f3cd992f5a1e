// Health indicators for an application's own health controller, with Terminus or without.
import type { HealthService } from './health.service.js';
import { knowsDegraded, loadTerminus } from './terminus-support.js';
import type { LoadTerminus } from './terminus-support.js';
import type { HealthCheckName, HealthState } from './health.types.js';

/** What an indicator says. Holds no host, no SQL and no text of an error. */
export interface IndicatorDetails {
  /** Also `degraded` with Terminus 12; typed so that both 11 and 12 take it. `state` has all four. */
  readonly status: 'up' | 'down';
  readonly state: HealthState;
  readonly reason?: string;
  /** Age of what the verdict rests on, in ms. */
  readonly ageMs?: number;
  readonly [figure: string]: unknown;
}

/** Shaped as Terminus' `HealthIndicatorResult`. */
export type IndicatorResult<Key extends string> = Record<Key, IndicatorDetails>;

/** The state that goes with readiness: what is not judged does no harm. */
function shownState(state: HealthState, isReady: boolean): HealthState {
  if (!isReady) return 'down';
  return state === 'degraded' ? 'degraded' : 'up';
}

/**
 * For `HealthCheckService.check([() => database.check('database')])`. Never throws, asks no server, and
 * answers at once when the pool is used up. `unknown` counts as `down`.
 */
export class DatabaseHealthIndicator {
  private knowsDegraded: Promise<boolean> | undefined;

  constructor(
    private readonly health: HealthService,
    private readonly load: LoadTerminus = loadTerminus,
  ) {}

  /** All checks together; down when the application should get no requests. */
  async check<const Key extends string = 'database'>(
    key: Key = 'database' as Key,
  ): Promise<IndicatorResult<Key>> {
    const { state, isReady, isClosing, checks } = this.health.report();
    const reported = Object.entries(checks);
    const reasons = isClosing
      ? ['The application shuts down.']
      : reported.filter(([, check]) => check.state !== 'up').map(([, { reason }]) => reason);
    const ageMs = checks.connection?.ageMs;
    return this.result(key, shownState(state, isReady), {
      state,
      ...(reasons.length > 0 && { reason: reasons.join(' ') }),
      ...(ageMs !== undefined && { ageMs: Math.round(ageMs) }),
      checks: Object.fromEntries(reported.map(([name, check]) => [name, check.state])),
    });
  }

  /** How much of the fullest pool is in use. */
  pool<const Key extends string = 'pool'>(key: Key = 'pool' as Key): Promise<IndicatorResult<Key>> {
    return this.one(key, 'pool');
  }

  /** Whether every replica answers and keeps up. */
  replicas<const Key extends string = 'replicas'>(
    key: Key = 'replicas' as Key,
  ): Promise<IndicatorResult<Key>> {
    return this.one(key, 'replicas');
  }

  /** How fast the server answers probes, and queries end. */
  performance<const Key extends string = 'performance'>(
    key: Key = 'performance' as Key,
  ): Promise<IndicatorResult<Key>> {
    return this.one(key, 'latency');
  }

  private async one<Key extends string>(
    key: Key,
    name: HealthCheckName,
  ): Promise<IndicatorResult<Key>> {
    const check = this.health.report().checks[name];
    if (check === undefined) return this.result(key, 'up', { state: 'unknown' });
    const { state, reason, ageMs, figures } = check;
    return this.result(key, state, {
      state,
      reason,
      ...(ageMs !== undefined && { ageMs: Math.round(ageMs) }),
      ...figures,
    });
  }

  private async result<Key extends string>(
    key: Key,
    state: HealthState,
    details: Omit<IndicatorDetails, 'status'>,
  ): Promise<IndicatorResult<Key>> {
    const status = await this.statusOf(state);
    return { [key]: { ...details, status } } as IndicatorResult<Key>;
  }

  private async statusOf(state: HealthState): Promise<'up' | 'degraded' | 'down'> {
    if (state !== 'degraded') return state === 'up' ? 'up' : 'down';
    this.knowsDegraded ??= knowsDegraded(this.load);
    return (await this.knowsDegraded) ? 'degraded' : 'up';
  }
}
