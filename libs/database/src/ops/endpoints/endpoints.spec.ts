// The endpoints as a client sees them, on Express and on Fastify.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Inject, Injectable, Module } from '@nestjs/common';
import type {
  CallHandler,
  CanActivate,
  DynamicModule,
  ExecutionContext,
  INestApplication,
  NestInterceptor,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import { Events } from '../../kernel/events.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { FakeDatabaseView, nodeSnapshot, poolStats } from '../../testing/fake-database-view.js';
import { HEALTH_DEFAULTS } from '../health/health.options.js';
import { HealthService } from '../health/health.service.js';
import { createEndpointControllers } from './endpoint-controllers.js';
import { ENDPOINT_PORTS } from './endpoint-ports.js';
import type { EndpointPorts } from './endpoint-ports.js';

/** A request for what has changed; `fetch` would ask to bypass every cache. */
async function conditional(url: string): Promise<IncomingMessage> {
  const headers = { authorization: 'Bearer t', 'if-none-match': '*' };
  const asked = request(url, { headers, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response;
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

@Module({})
class EndpointsModule {
  static with(view: FakeDatabaseView, given: unknown, instance = 'default'): DynamicModule {
    const parts = { view, events: new Events(), clock: new FakeClock(), options: HEALTH_DEFAULTS };
    const health = new HealthService(parts);
    const ports: EndpointPorts = {
      instance,
      view,
      readiness: () => health.readiness(),
      health: () => health.report(),
      metrics: () => ({ instance, uptimeMs: 5 }),
      scrape: () => ({ contentType: CONTENT_TYPE, text: `# ${instance}\n` }),
    };
    return {
      module: EndpointsModule,
      controllers: createEndpointControllers(given, { isDefaultInstance: instance === 'default' }),
      providers: [{ provide: ENDPOINT_PORTS, useValue: ports }],
    };
  }
}

/** A guard that needs something of the application. */
@Injectable()
class OperatorGuard implements CanActivate {
  constructor(@Inject('operators') private readonly operators: readonly string[]) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string | undefined> }>();
    return this.operators.includes(headers['x-user'] ?? '');
  }
}

/** Many applications wrap every answer. */
class WrapInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const)('on %s', (_platform, adapter) => {
  let app: INestApplication;
  let view: FakeDatabaseView;

  beforeEach(() => {
    view = new FakeDatabaseView();
  });

  afterEach(() => app.close());

  const start = async (
    modules: readonly DynamicModule[],
    prepare: (app: INestApplication) => void = () => undefined,
  ): Promise<void> => {
    @Module({})
    class Global {}
    const operators = { provide: 'operators', useValue: ['ada'] };
    const shared = { module: Global, global: true, providers: [operators], exports: [operators] };
    const testing = await Test.createTestingModule({ imports: [shared, ...modules] }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    prepare(app);
    await app.listen(0, '127.0.0.1');
  };
  const startWith = (given?: unknown): Promise<void> => start([EndpointsModule.with(view, given)]);

  const get = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const url = await app.getUrl();
    return fetch(`${url}${path}`, init);
  };
  const json = async (path: string, init?: RequestInit): Promise<Record<string, unknown>> =>
    (await (await get(path, init)).json()) as Record<string, unknown>;

  const loseDatabase = (): void => {
    view.nodeFacts = [
      nodeSnapshot({ isReachable: false, serverVersion: undefined, lastError: 'ECONNREFUSED' }),
    ];
  };

  it.each(['/health', '/health/live'])('%s is ok as long as the process answers', async (path) => {
    await startWith();
    loseDatabase();
    view.closing = true;
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'ok' });
  });

  it('/health/live does not even look at the database', async () => {
    await startWith();
    view.nodes = () => {
      throw new Error('looked');
    };
    expect((await get('/health/live')).status).toBe(200);
  });

  it('/health/ready is 200 with the reason of each check', async () => {
    await startWith();
    const response = await get('/health/ready');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      failed: [],
      checks: { connection: { status: 'up', ageMs: 100 }, pool: { status: 'up' } },
    });
  });

  it('/health/ready stays 200 when the pool is used up, and answers within 10 ms', async () => {
    await startWith();
    await get('/health/ready');
    view.poolFacts = [poolStats({ leased: 20, waiting: 2_000 })];
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const startedAtMs = performance.now();
      const response = await get('/health/ready');
      times.push(performance.now() - startedAtMs);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: 'degraded' });
    }
    // The best of them: what is measured is the endpoint, not what else the machine does.
    expect(Math.min(...times)).toBeLessThan(10);
  });

  it('/health/ready is 503 and names the check, not the host, when the database is lost', async () => {
    await startWith();
    loseDatabase();
    const response = await get('/health/ready');
    const text = await response.text();
    expect(response.status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({ status: 'error', failed: ['connection'] });
    expect(text).not.toMatch(/db\.internal|ECONNREFUSED/);
  });

  it('/health/ready is 503 from the first sign of shutdown', async () => {
    await startWith();
    view.closing = true;
    const response = await get('/health/ready');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ status: 'shutting_down', failed: [] });
  });

  it('/health/metrics gives the figures of each pool, memory and process', async () => {
    await startWith();
    const replica = poolStats({ node: 'replica-1', leased: 5, waiting: 1, total: 9, idle: 4 });
    view.poolFacts = [poolStats(), replica];
    expect(await json('/health/metrics')).toMatchObject({
      pools: {
        primary: { totalCount: 5, idleCount: 3, waitingCount: 0, maxCount: 20, utilization: 0.1 },
        'replica-1': { totalCount: 9, idleCount: 4, waitingCount: 1, utilization: 0.25 },
      },
      memory: { rssBytes: expect.any(Number), heapUsedBytes: expect.any(Number) },
      process: { uptimeSeconds: expect.any(Number) },
    });
  });

  it('/metrics is text with the content type that Prometheus asks for', async () => {
    await startWith();
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toBe(CONTENT_TYPE);
    expect(await response.text()).toBe('# default\n');
  });

  const apiPaths = [
    '/api/database/health',
    '/api/database/metrics',
    '/api/database/connection-info',
  ];

  it.each(apiPaths)('%s is 403 when neither guard nor token is set', async (path) => {
    await startWith();
    const response = await get(path);
    expect(response.status).toBe(403);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({
      message: expect.stringContaining('endpoints.guard or endpoints.token'),
    });
  });

  it.each(apiPaths)('%s takes the bearer of the token and nobody else', async (path) => {
    await startWith({ token: 's3cret' });
    const status = async (authorization?: string): Promise<number> =>
      (await get(path, authorization === undefined ? {} : { headers: { authorization } })).status;
    expect(await status('Bearer s3cret')).toBe(200);
    expect(await status('bearer s3cret')).toBe(200);
    for (const wrong of [
      'Bearer s3cre',
      'Bearer s3crett',
      'Basic s3cret',
      's3cret',
      'Bearer ',
      undefined,
    ]) {
      expect(await status(wrong)).toBe(401);
    }
    const refusal = await get(path);
    expect(refusal.headers.get('www-authenticate')).toBe('Bearer');
    expect(refusal.headers.get('cache-control')).toBe('no-store');
  });

  it('asks the guard of the application, with what it injects', async () => {
    await startWith({ guard: OperatorGuard });
    const as = (user: string): RequestInit => ({ headers: { 'x-user': user } });
    expect((await get('/api/database/health', as('ada'))).status).toBe(200);
    const refusal = await get('/api/database/health', as('eve'));
    expect(refusal.status).toBe(403);
    expect(refusal.headers.get('cache-control')).toBe('no-store');
    expect((await get('/health/ready')).status).toBe(200);
  });

  describe('for operators', () => {
    const init = { headers: { authorization: 'Bearer t' } };

    it('health gives figures, nodes and their last error, and 503 when not ready', async () => {
      await startWith({ token: 't' });
      expect(await json('/api/database/health', init)).toMatchObject({
        instance: 'default',
        state: 'up',
        checks: { pool: { figures: { leased: 2 } } },
        nodes: [{ name: 'primary', address: 'db.internal:5432/app' }],
      });
      loseDatabase();
      const response = await get('/api/database/health', init);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ nodes: [{ lastError: 'ECONNREFUSED' }] });
    });

    it('metrics gives what the monitor says', async () => {
      await startWith({ token: 't' });
      expect(await json('/api/database/metrics', init)).toEqual({
        instance: 'default',
        uptimeMs: 5,
      });
    });

    it('connection-info gives servers and pools, no user and no password', async () => {
      await startWith({ token: 't' });
      expect(await json('/api/database/connection-info', init)).toEqual({
        instance: 'default',
        type: 'postgresql',
        nodes: [
          {
            name: 'primary',
            role: 'primary',
            host: 'db.internal',
            port: 5432,
            database: 'app',
            isReachable: true,
            serverVersion: '18.0',
            latencyMs: 1,
            lagMs: 0,
            pool: { min: 2, max: 20, total: 5 },
          },
        ],
      });
    });
  });

  it('caches nothing, and answers no conditional request with 304', async () => {
    await startWith({ token: 't' });
    const paths = [
      '/health',
      '/health/live',
      '/health/ready',
      '/health/metrics',
      '/metrics',
      ...apiPaths,
    ];
    for (const path of paths) {
      const response = await conditional(`${await app.getUrl()}${path}`);
      expect([path, response.statusCode]).toEqual([path, 200]);
      expect(response.headers['cache-control']).toBe('no-store');
    }
  });

  it('answers HEAD as GET without a body', async () => {
    await startWith();
    view.closing = true;
    const response = await get('/health/ready', { method: 'HEAD' });
    expect(response.status).toBe(503);
    expect(await response.text()).toBe('');
  });

  it('takes other paths, and leaves out what is off', async () => {
    await startWith({ path: '/ops/db', metrics: false, api: 'ops/api/', token: 't' });
    const init = { headers: { authorization: 'Bearer t' } };
    expect((await get('/ops/db/ready')).status).toBe(200);
    expect((await get('/ops/api/health', init)).status).toBe(200);
    for (const path of ['/health', '/metrics', '/api/database/health']) {
      expect((await get(path, init)).status).toBe(404);
    }
  });

  it('keeps two instances apart', async () => {
    const other = new FakeDatabaseView();
    other.closing = true;
    await start([
      EndpointsModule.with(view, undefined),
      EndpointsModule.with(
        other,
        { path: 'health/analytics', metrics: 'metrics/analytics' },
        'analytics',
      ),
    ]);
    expect((await get('/health/ready')).status).toBe(200);
    expect((await get('/health/analytics/ready')).status).toBe(503);
    expect(await (await get('/metrics')).text()).toBe('# default\n');
    expect(await (await get('/metrics/analytics')).text()).toBe('# analytics\n');
  });

  it('is left as it is by interceptors and versions of the application', async () => {
    await start([EndpointsModule.with(view, undefined)], (prepared) => {
      prepared.useGlobalInterceptors(new WrapInterceptor());
      prepared.enableVersioning({ type: 0, defaultVersion: '1' });
    });
    expect(await (await get('/metrics')).text()).toBe('# default\n');
    expect(await json('/health/live')).toMatchObject({ status: 'ok' });
  });
});
