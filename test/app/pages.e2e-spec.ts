// The pages around the features: the OpenAPI document, health, and answers to what goes wrong.
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { OpenAPIObject } from '@nestjs/swagger';
import { buildOpenApi } from '../../src/docs/openapi.js';
import { startServer } from '../../src/server.js';
import { useMarketApp } from './market-app.js';

const market = useMarketApp('pages');

describe('the OpenAPI document', () => {
  it('lists every route of the app', () => {
    const { paths } = buildOpenApi(market.app);
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.sort()).toEqual(
      expect.arrayContaining([
        'get /market/candles/{symbol}',
        'get /market/instruments',
        'get /market/quotes',
        'get /market/quotes/{symbol}',
        'get /portfolios',
        'get /portfolios/{id}',
        'get /portfolios/{id}/orders',
        'get /status',
        'post /portfolios',
        'post /portfolios/{id}/orders',
      ]),
    );
  });

  it('describes bodies and answers, money as decimal strings', () => {
    const { components } = buildOpenApi(market.app);
    expect(components?.schemas?.['PlaceOrderDto']).toMatchObject({
      required: ['symbol', 'side', 'quantity'],
      properties: { side: { enum: ['buy', 'sell'] }, day: { type: 'string', format: 'date' } },
    });
    expect(components?.schemas?.['PortfolioValueDto']).toMatchObject({
      properties: { cash: { type: 'string', format: 'decimal' } },
    });
  });

  it('is served with its page', async () => {
    const page = await market.get<string>('/docs');
    expect(page.status).toBe(200);
    expect(page.body).toContain('swagger-ui');
    const document = await market.get<OpenAPIObject>('/docs-json');
    expect(document.body.info.title).toBe('Market data');
  });
});

describe('health', () => {
  it('is told by the app’s own page', async () => {
    const { status, body } = await market.get<Record<string, unknown>>('/status');
    expect(status).toBe(200);
    // A machine that is busy with other suites may well be degraded: slow, yet fit to serve.
    expect(body).toMatchObject({
      status: expect.stringMatching(/^(ok|degraded)$/),
      info: {
        database: { status: expect.stringMatching(/^(up|degraded)$/) },
        pool: { status: 'up' },
      },
      error: {},
    });
  });

  it.each(['/health', '/health/live', '/health/ready', '/health/metrics', '/metrics'])(
    'is told by %s of the library',
    async (path) => {
      expect((await market.get(path)).status).toBe(200);
    },
  );
});

describe('a port that is taken', () => {
  it('ends the start with a mend that works', async () => {
    const blocker = createServer().listen(0);
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(startServer(port, false)).rejects.toMatchObject({
        message: `Port ${port} is taken by another program`,
        mend: expect.stringMatching(/PORT=\d+ npm start/),
      });
    } finally {
      blocker.close();
    }
  });
});
