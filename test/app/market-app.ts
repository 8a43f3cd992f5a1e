// The reference app on a database of the suite, asked over HTTP as its users do.
import { afterAll, beforeAll } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { type RunningServer, startServer } from '../../src/server.js';
import { useTestDatabase } from '../support/postgres.js';

/** An answer with its body parsed; text that is no JSON stays text. */
export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** What suites ask of the app. */
export interface MarketApp {
  readonly url: string;
  readonly app: INestApplication;
  readonly database: ReturnType<typeof useTestDatabase>;
  get<Body>(path: string): Promise<Answer<Body>>;
  post<Body>(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer<Body>>;
}

/** Starts the app silently on any free port, by the variables that its users set. Whoever starts it closes it. */
export function startApp(databaseUrl: string): Promise<RunningServer> {
  process.env['DATABASE_URL'] = databaseUrl;
  return startServer(0, false);
}

/** Gives the surrounding suite an app on a database of its own. */
export function useMarketApp(label: string): MarketApp {
  const database = useTestDatabase(label);
  let server: RunningServer | undefined;
  beforeAll(async () => {
    server = await startApp(database.url);
  });
  afterAll(() => server?.app.close());
  const current = (): RunningServer => {
    if (server === undefined) throw new Error('The app exists in tests and hooks only.');
    return server;
  };
  return {
    database,
    get url() {
      return current().url;
    },
    get app() {
      return current().app;
    },
    get: async (path) => answer(await fetch(current().url + path)),
    post: async (path, body, headers = {}) =>
      answer(
        await fetch(current().url + path, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...headers },
          body: JSON.stringify(body),
        }),
      ),
  };
}

async function answer<Body>(response: Response): Promise<Answer<Body>> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  const body = (isJson ? JSON.parse(text) : text) as Body;
  return { status: response.status, headers: response.headers, body };
}
