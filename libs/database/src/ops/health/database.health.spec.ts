// The indicators in Terminus' own HealthCheckService, and as Terminus 11 would read them.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ServiceUnavailableException } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import type { HealthCheckResult } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { Events } from '../../kernel/events.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { FakeDatabaseView, nodeSnapshot, poolStats } from '../../testing/fake-database-view.js';
import { DatabaseHealthIndicator } from './database.health.js';
import { HEALTH_DEFAULTS } from './health.options.js';
import { HealthService } from './health.service.js';
import { knowsDegraded, loadTerminus } from './terminus-support.js';

/** The part of Terminus 11 that tells it from 12. */
class SessionOf11 {
  up(): object {
    return {};
  }
  down(): object {
    return {};
  }
}
const terminus11 = (): Promise<unknown> =>
  Promise.resolve({
    HealthIndicatorService: class {
      check(): object {
        return new SessionOf11();
      }
    },
  });
const noTerminus = (): Promise<unknown> => Promise.reject(new Error('Cannot find package'));

describe('DatabaseHealthIndicator', () => {
  let view: FakeDatabaseView;
  let health: HealthService;
  let indicator: DatabaseHealthIndicator;

  beforeEach(() => {
    view = new FakeDatabaseView();
    const parts = { view, events: new Events(), clock: new FakeClock(), options: HEALTH_DEFAULTS };
    health = new HealthService(parts);
    indicator = new DatabaseHealthIndicator(health);
  });

  const lose = (): void => {
    view.nodeFacts = [
      nodeSnapshot({ isReachable: false, serverVersion: undefined, lastError: 'at db.internal' }),
    ];
  };
  const saturate = (): void => {
    view.poolFacts = [poolStats({ leased: 20, idle: 0, waiting: 7 })];
  };

  it('is up with all checks', async () => {
    expect(await indicator.check('database')).toEqual({
      database: {
        status: 'up',
        state: 'up',
        ageMs: 100,
        checks: {
          connection: 'up',
          role: 'up',
          pool: 'up',
          latency: 'up',
          replicas: 'up',
          circuit: 'up',
        },
      },
    });
  });

  it('is down with the reason, without host or error text', async () => {
    lose();
    const result = await indicator.check('db');
    expect(result.db).toMatchObject({ status: 'down', state: 'down' });
    expect(result.db.reason).toMatch(/not been reached/);
    expect(JSON.stringify(result)).not.toContain('db.internal');
  });

  it('is down when the application shuts down', async () => {
    view.closing = true;
    expect((await indicator.check('db')).db).toMatchObject({
      status: 'down',
      reason: 'The application shuts down.',
    });
  });

  it('takes what is not known for down', async () => {
    view.nodeFacts = [nodeSnapshot({ ageMs: undefined, latencyMs: undefined, isReachable: false })];
    expect((await indicator.check('db')).db).toMatchObject({ status: 'down', state: 'unknown' });
    expect((await indicator.performance('p')).p).toMatchObject({
      status: 'down',
      state: 'unknown',
    });
  });

  it('gives the figures of pool, replicas and performance', async () => {
    expect((await indicator.pool('pool')).pool).toEqual({
      status: 'up',
      state: 'up',
      reason: '2 of 20 connections are in use.',
      ageMs: 0,
      leased: 2,
      idle: 3,
      waiting: 0,
      max: 20,
      utilizationRatio: 0.1,
    });
    expect((await indicator.replicas('replicas')).replicas).toMatchObject({ replicas: 0 });
    expect((await indicator.performance('speed')).speed).toMatchObject({ probeMs: 1 });
  });

  it.each([
    ['12', loadTerminus, 'degraded'],
    ['11', terminus11, 'up'],
    ['absent', noTerminus, 'up'],
  ])('tells a degraded database as Terminus %s understands it', async (_major, load, status) => {
    saturate();
    const result = await new DatabaseHealthIndicator(health, load).check('db');
    expect(result.db).toMatchObject({ status, state: 'degraded' });
  });

  it('finds out what Terminus understands once', async () => {
    let loads = 0;
    const counted = new DatabaseHealthIndicator(health, () => {
      loads++;
      return terminus11();
    });
    saturate();
    await Promise.all([counted.check(), counted.pool()]);
    expect(loads).toBe(1);
  });

  it('reads the installed Terminus rightly', async () => {
    const installed = 'degraded' in new HealthIndicatorService().check('x');
    expect(await knowsDegraded(loadTerminus)).toBe(installed);
  });

  describe('in HealthCheckService', () => {
    let terminus: HealthCheckService;

    beforeEach(async () => {
      const module = await Test.createTestingModule({
        imports: [TerminusModule.forRoot({ logger: false })],
      }).compile();
      terminus = module.get(HealthCheckService);
    });

    const run = (): Promise<HealthCheckResult> =>
      terminus.check([
        () => indicator.check('database'),
        () => indicator.pool('pool'),
        () => indicator.replicas('replicas'),
        () => indicator.performance('performance'),
      ]);

    it('is ok when all is well', async () => {
      const result = await run();
      expect(result.status).toBe('ok');
      expect(Object.keys(result.details)).toEqual(['database', 'pool', 'replicas', 'performance']);
    });

    it('is degraded, and still 200, when the pool is used up', async () => {
      saturate();
      const result = await run();
      expect(result.status).toBe('degraded');
      expect(result.details['pool']).toMatchObject({ status: 'degraded', waiting: 7 });
    });

    it('is 503 when the database is lost', async () => {
      lose();
      await expect(run()).rejects.toThrow(ServiceUnavailableException);
    });
  });
});
