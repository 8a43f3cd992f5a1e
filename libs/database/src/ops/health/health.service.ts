// Judges the database on request, from what probes saw anyway: a health call costs no query.
import type { Clock } from '../../kernel/clock.js';
import type { Events } from '../../kernel/events.js';
import { Ticker } from '../../kernel/ticker.js';
import type { Capability } from '../capability.js';
import type { DatabaseView } from '../database-view.js';
import type { HealthOptions } from './health.options.js';
import { failedChecks, judge, overallState, readinessStatus } from './health.rules.js';
import type { HealthFacts, HealthVerdicts } from './health.rules.js';
import type {
  HealthCheckName,
  HealthCheckReport,
  HealthReport,
  HealthState,
  Readiness,
} from './health.types.js';

/** How often somebody looks who is not asked, so that `lastsMs` and `primaryGraceMs` are right, in ms. */
const LOOK_EVERY_MS = 1_000;

/** What the health room works with. */
export interface HealthParts {
  readonly view: DatabaseView;
  readonly events: Events;
  readonly clock: Clock;
  readonly options: HealthOptions | false;
  /** 95th percentile of recent queries, in ms; asked once a second, however often health is. @default not known */
  readonly recentP95Ms?: () => number | undefined;
}

/** Knows how healthy the instance is. Answers in microseconds, also when every connection is taken. */
export class HealthService implements Capability<HealthReport> {
  readonly name = 'health';
  readonly isEnabled: boolean;
  private readonly failures = new Map<string, number>();
  private readonly states = new Map<HealthCheckName, { state: HealthState; sinceMs: number }>();
  private readonly ticker: Ticker;
  private primarySeenAtMs: number;
  private p95Ms: number | undefined;
  private deafen: Array<() => void> = [];

  constructor(private readonly parts: HealthParts) {
    const { clock, events, options } = parts;
    this.isEnabled = options !== false;
    this.primarySeenAtMs = clock.monotonicMs();
    this.ticker = new Ticker({
      clock,
      everyMs: LOOK_EVERY_MS,
      run: () => this.look(),
      failed: (error) => events.emit('work:failed', { work: 'health', error }),
    });
  }

  start(): void {
    if (!this.isEnabled || this.deafen.length > 0) return;
    const { events } = this.parts;
    const healed = ({ node }: { readonly node: string }): void => void this.failures.delete(node);
    this.deafen = [
      events.on('node:connected', healed),
      events.on('node:reconnected', healed),
      events.on('node:disconnected', ({ node }) => void this.failures.set(node, 1)),
      // The attempts follow the failure that `node:disconnected` told of.
      events.on('node:reconnect-failed', ({ node, attempt }) => {
        this.failures.set(node, attempt + 1);
      }),
    ];
    this.ticker.start();
  }

  async stop(): Promise<void> {
    for (const deafen of this.deafen) deafen();
    this.deafen = [];
    await this.ticker.stop();
  }

  snapshot(): HealthReport {
    return this.report();
  }

  /** All checks, with reasons and ages. */
  report(): HealthReport {
    const isClosing = this.parts.view.isClosing();
    const verdicts = this.judge();
    if (verdicts === undefined) {
      return { state: 'unknown', isReady: !isClosing, isClosing, checks: {} };
    }
    const isReady = !isClosing && failedChecks(verdicts).length === 0;
    const checks = Object.fromEntries(
      Object.entries(verdicts).map(([name, verdict]) => [
        name,
        { ...verdict, lastsMs: this.lastsMs(name as HealthCheckName, verdict.state) },
      ]),
    ) as Record<HealthCheckName, HealthCheckReport>;
    return { state: overallState(verdicts), isReady, isClosing, checks };
  }

  /** Whether requests should be sent here; no longer from the first sign of shutdown. */
  readiness(): Readiness {
    const isClosing = this.parts.view.isClosing();
    const verdicts = this.judge();
    const failed = verdicts === undefined ? [] : failedChecks(verdicts);
    const state = verdicts === undefined ? 'up' : overallState(verdicts);
    const status = readinessStatus(state, failed, isClosing);
    return { isReady: status === 'ok' || status === 'degraded', status, failed };
  }

  private look(): void {
    this.p95Ms = this.parts.recentP95Ms?.();
    this.report();
  }

  private judge(): HealthVerdicts | undefined {
    const { view, options } = this.parts;
    return options === false ? undefined : judge(this.facts(view), options);
  }

  private facts(view: DatabaseView): HealthFacts {
    const nowMs = this.parts.clock.monotonicMs();
    const nodes = view.nodes();
    if (nodes.some(({ role, isReachable }) => role === 'primary' && isReachable)) {
      this.primarySeenAtMs = nowMs;
    }
    return {
      nodes,
      pools: view.pools(),
      circuits: view.circuits(),
      failuresOf: (node) => this.failures.get(node) ?? 0,
      primaryMissingMs: nowMs - this.primarySeenAtMs,
      p95Ms: this.p95Ms,
    };
  }

  private lastsMs(name: HealthCheckName, state: HealthState): number {
    const nowMs = this.parts.clock.monotonicMs();
    const known = this.states.get(name);
    if (known?.state === state) return nowMs - known.sinceMs;
    this.states.set(name, { state, sinceMs: nowMs });
    return 0;
  }
}
