// An application made of what a page shows: on a database of the suite, closed after each test.
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type {
  INestApplication,
  INestApplicationContext,
  ModuleMetadata,
  Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DatabaseModule } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { useTestDatabase } from '../support/postgres.js';

/** What the suites of the pages share. */
export interface PageApp {
  readonly database: ReturnType<typeof useTestDatabase>;
  /** Starts an application. */
  start(metadata: ModuleMetadata): Promise<INestApplicationContext>;
  /** Starts one that listens, and tells where. */
  listen(metadata: ModuleMetadata): Promise<{ app: INestApplication; url: string }>;
  /** Starts one provider of a page beside the module. */
  provide<T>(
    provider: Type<T>,
    options?: DatabaseModuleOptions,
  ): Promise<{ service: T; app: INestApplicationContext }>;
}

/** Gives the surrounding suite a database, which is DATABASE_URL too, and applications on it. */
export function usePageApp(label: string): PageApp {
  const database = useTestDatabase(label);
  const before = process.env['DATABASE_URL'];
  let started: INestApplicationContext | undefined;
  beforeAll(() => {
    process.env['DATABASE_URL'] = database.url;
  });
  afterEach(async () => {
    await started?.close();
    started = undefined;
  });
  afterAll(() => {
    if (before === undefined) delete process.env['DATABASE_URL'];
    else process.env['DATABASE_URL'] = before;
  });
  const start: PageApp['start'] = async (metadata) => {
    started = await (await Test.createTestingModule(metadata).compile()).init();
    return started;
  };
  return {
    database,
    start,
    listen: async (metadata) => {
      const testing = await Test.createTestingModule(metadata).compile();
      const app = testing.createNestApplication({ logger: false });
      started = app;
      await app.listen(0, '127.0.0.1');
      return { app, url: await app.getUrl() };
    },
    provide: async (provider, options = {}) => {
      const imports = [DatabaseModule.forRoot({ url: database.url, ...options })];
      const app = await start({ imports, providers: [provider] });
      return { service: app.get(provider), app };
    },
  };
}
