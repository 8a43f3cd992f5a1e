// The OpenAPI document and its page.
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `Reference app of nestjs-database: quotes, candles, portfolios and orders on real prices.

Prices: npm package vega-datasets (BSD-3-Clause): S&P 500 daily from 2000 to 2020, five stocks monthly from 2000 to 2010.
All prices and amounts are decimal strings.`;

/** Describes every route of the app. */
export function buildOpenApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Market data')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .addTag('market')
    .addTag('portfolios')
    .addTag('orders')
    .addTag('status')
    .build();
  return SwaggerModule.createDocument(app, config);
}

/** Serves the page at /docs and the document at /docs-json. */
export function mountDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => buildOpenApi(app));
}
