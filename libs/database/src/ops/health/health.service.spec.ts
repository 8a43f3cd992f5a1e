// The health of an instance over time: failures in a row, ages, shutdown; no query, no timer left.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigurationError } from '../../kernel/errors.js';
import { Events } from '../../kernel/events.js';
import { Checks } from '../../kernel/option-checks.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { FakeDatabaseView, nodeSnapshot, poolStats } from '../../testing/fake-database-view.js';
import { HEALTH_DEFAULTS, resolveHealth } from './health.options.js';
import type { HealthOptions } from './health.options.js';
import { HealthService } from './health.service.js';

const ERROR = new Error('connect ECONNREFUSED');

describe('HealthService', () => {
  let clock: FakeClock;
  let events: Events;
  let view: FakeDatabaseView;
  let health: HealthService;
  let p95Ms: () => number | undefined;
  const build = (options: HealthOptions | false): HealthService =>
    new HealthService({ view, events, clock, options, recentP95Ms: () => p95Ms() });

  beforeEach(() => {
    clock = new FakeClock();
    events = new Events();
    view = new FakeDatabaseView();
    p95Ms = () => 12;
    health = build(HEALTH_DEFAULTS);
    health.start();
  });

  afterEach(async () => {
    await health.stop();
    expect(clock.pendingTimers).toBe(0);
    expect(events.has('node:disconnected')).toBe(false);
  });

  const failProbe = (attempt: number): void => {
    view.nodeFacts = [nodeSnapshot({ isReachable: false })];
    if (attempt === 0) events.emit('node:disconnected', { node: 'primary', error: ERROR });
    else events.emit('node:reconnect-failed', { node: 'primary', attempt, error: ERROR });
  };

  it('stays ready for two failed probes, ends readiness with the third, comes back with the first answer', () => {
    const seen: boolean[] = [];
    for (const attempt of [0, 1, 2]) {
      failProbe(attempt);
      seen.push(health.readiness().isReady);
    }
    view.nodeFacts = [nodeSnapshot()];
    events.emit('node:reconnected', { node: 'primary', downMs: 3_000 });
    seen.push(health.readiness().isReady);
    failProbe(0);
    seen.push(health.readiness().isReady);
    expect(seen).toEqual([true, true, false, true, true]);
  });

  it('knows the failures of which it missed the first', () => {
    failProbe(5);
    expect(health.report().checks.connection?.figures).toEqual({ failuresInARow: 6 });
  });

  it('ends readiness first of all when the application shuts down', () => {
    view.closing = true;
    expect(health.readiness()).toEqual({ isReady: false, status: 'shutting_down', failed: [] });
    expect(health.report()).toMatchObject({ state: 'up', isReady: false, isClosing: true });
  });

  it('tells how long a check has been in its state', async () => {
    await clock.elapseMs(5_000);
    view.poolFacts = [poolStats({ leased: 20 })];
    await clock.elapseMs(3_000);
    const { pool, role } = health.report().checks;
    expect(pool?.lastsMs).toBeGreaterThan(1_500);
    expect(pool?.lastsMs).toBeLessThanOrEqual(3_000);
    expect(role?.lastsMs).toBe(8_000);
  });

  it('waits for a new primary before it calls the role down', async () => {
    await clock.elapseMs(5_000);
    view.nodeFacts = [nodeSnapshot({ role: 'replica' })];
    await clock.elapseMs(8_000);
    expect(health.readiness()).toEqual({ isReady: true, status: 'degraded', failed: [] });
    await clock.elapseMs(4_000);
    expect(health.readiness()).toEqual({ isReady: false, status: 'error', failed: ['role'] });
    view.nodeFacts = [nodeSnapshot({ name: 'node-2' })];
    expect(health.readiness().status).toBe('ok');
  });

  it('answers ten thousand times for less than a second of CPU with the pool used up', () => {
    view.poolFacts = Array.from({ length: 5 }, () => poolStats({ leased: 20, waiting: 1_000 }));
    const before = process.cpuUsage();
    let ready = 0;
    for (let i = 0; i < 10_000; i++) if (health.readiness().isReady) ready++;
    expect(ready).toBe(10_000);
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(1_000_000);
  });

  it('asks once a second what recent queries took, however often it is asked itself', async () => {
    expect(health.report().checks.latency?.figures).toEqual({ probeMs: 1, p95Ms: 12 });
    let asked = 0;
    p95Ms = () => {
      asked++;
      return undefined;
    };
    for (let i = 0; i < 100; i++) health.readiness();
    expect(asked).toBe(0);
    await clock.elapseMs(1_200);
    expect(asked).toBe(1);
    expect(health.report().checks.latency?.figures).toEqual({ probeMs: 1 });
  });

  it('judges nothing when it is off, and is ready until the shutdown', () => {
    const off = build(false);
    expect(off.isEnabled).toBe(false);
    off.start();
    view.nodeFacts = [nodeSnapshot({ isReachable: false })];
    expect(off.report()).toEqual({ state: 'unknown', isReady: true, isClosing: false, checks: {} });
    expect(off.readiness()).toEqual({ isReady: true, status: 'ok', failed: [] });
    view.closing = true;
    expect(off.readiness().isReady).toBe(false);
  });

  it('reports before its start and after its stop', async () => {
    expect(build(HEALTH_DEFAULTS).report().state).toBe('up');
    await health.stop();
    expect(health.report().state).toBe('up');
  });
});

describe('the slice health', () => {
  const resolve = (given: unknown, probeIntervalMs = 1_000): HealthOptions | false => {
    const checks = new Checks();
    const health = resolveHealth(given, checks, { probeIntervalMs });
    checks.throwIfAny();
    return health;
  };

  it('is whole and frozen', () => {
    expect(resolve(undefined)).toEqual(HEALTH_DEFAULTS);
    expect(resolve({ failuresInARow: 5 })).toEqual({ ...HEALTH_DEFAULTS, failuresInARow: 5 });
    expect(Object.isFrozen(resolve({}))).toBe(true);
    expect(resolve(false)).toBe(false);
  });

  it.each([
    [{ failuresInARow: 0 }, 'health.failuresInARow'],
    [{ requirePrimary: 'yes' }, 'health.requirePrimary'],
    [{ primaryGraceMs: -1 }, 'health.primaryGraceMs'],
    [{ staleAfterMs: 1_999 }, 'routing.probeIntervalMs'],
    [{ saturationRatio: 0 }, 'health.saturationRatio'],
    [{ maxLatencyMs: 0 }, 'health.maxLatencyMs'],
    [{ maxP95Ms: -1 }, 'health.maxP95Ms'],
    [{ maxLagMs: 1.5 }, 'health.maxLagMs'],
    [{ maxLagBytes: -1 }, 'health.maxLagBytes'],
    [{ maxLag: 1 }, 'health.maxLag'],
    ['on', 'health'],
    [null, 'health'],
  ])('refuses %j and names %s', (given, named) => {
    expect(() => resolve(given)).toThrow(ConfigurationError);
    expect(() => resolve(given)).toThrow(named);
  });

  it('grows with the pause between probes', () => {
    expect(resolve({}, 30_000)).toMatchObject({ staleAfterMs: 90_000 });
    const chosen = (): unknown => resolve({ staleAfterMs: 20_000 }, 30_000);
    expect(chosen).toThrow('at least twice routing.probeIntervalMs (30000)');
    expect(resolve({ staleAfterMs: 60_000 }, 30_000)).toMatchObject({ staleAfterMs: 60_000 });
  });
});
