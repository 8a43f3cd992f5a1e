// The process as an orchestrator sees it: `npm start`'s program, a signal, and what is left.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('shutdown');
const root = join(import.meta.dirname, '../..');
const children: ChildProcess[] = [];
/** The sources are compiled on the way, by a Node of its own: seconds, and more on a busy machine. */
const START_MS = 60_000;
jest.setTimeout(2 * START_MS);

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  output(): string;
}

function spawnApp(env: NodeJS.ProcessEnv): { child: ChildProcess; output(): string } {
  const args = ['--import', join(root, 'test/app/register-app.mjs'), join(root, 'src/main.ts')];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, DATABASE_URL: database.url, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { child, output: () => text };
}

async function startApp(): Promise<Running> {
  const { child, output } = spawnApp({});
  const [, url] = await waitFor(
    () => {
      if (child.exitCode !== null) return ['', ''];
      return /(http:\S+)\/docs/.exec(output());
    },
    { describe: 'the app to say where it is', timeoutMs: START_MS },
  );
  if (url === undefined || url === '') throw new Error(`the app did not start:\n${output()}`);
  return { child, url, output };
}

/** By `node:http`: `fetch` hides what becomes of the connection. */
function ask(url: string, agent: Agent): Promise<{ status: number; isLast: boolean }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (answer) => {
      answer.resume();
      const isLast = answer.headers.connection === 'close';
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, isLast }));
    });
    request.once('error', reject);
  });
}

async function post(url: string, body: unknown, headers = {}): Promise<Response> {
  const json = { 'Content-Type': 'application/json', ...headers };
  return fetch(url, { method: 'POST', headers: json, body: JSON.stringify(body) });
}

const backends = (): Promise<unknown[]> =>
  database.sql(
    `select pid, query from pg_stat_activity
      where datname = current_database() and application_name <> 'test-support'`,
  );

describe('SIGTERM', () => {
  it('lets orders under way end, then the process, and leaves no session on the server', async () => {
    const { child, url } = await startApp();
    const opened = await post(`${url}/portfolios`, { name: 'Busy' });
    const { id } = (await opened.json()) as { id: string };

    const blocker = new pg.Client({
      connectionString: database.url,
      application_name: 'test-support',
    });
    await blocker.connect();
    try {
      await blocker.query('begin');
      await blocker.query('select from portfolios where id = $1 for update', [id]);
      const order = { symbol: 'MSFT', side: 'buy', quantity: 1 };
      const answers = Array.from({ length: 20 }, () =>
        post(`${url}/portfolios/${id}/orders`, order, { 'Idempotency-Key': randomUUID() }),
      );
      await waitFor(
        async () => {
          const waiting = await database.sql(
            `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          );
          return waiting.length >= 5;
        },
        { describe: 'orders to wait for the row' },
      );
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await waitFor(
        () =>
          fetch(`${url}/health/live`).then(
            () => false,
            () => true,
          ),
        { describe: 'the port to close' },
      );
      await blocker.query('commit');
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(statuses).toEqual(Array.from({ length: 20 }, () => 201));
      await exit;
    } finally {
      await blocker.end();
    }
    const [orders] = await database.sql('select count(*)::int from orders');
    expect(orders).toEqual({ count: 20 });
    expect(await backends()).toEqual([]);
  });
});

describe('SIGTERM under traffic', () => {
  it('gives every client a last answer, and loses no request', async () => {
    const { child, url } = await startApp();
    const agent = new Agent({ keepAlive: true });
    const statuses: number[] = [];
    // As a balancer does: goes on until it is told that the connection ends, and then goes elsewhere.
    const client = async (): Promise<void> => {
      for (;;) {
        const answer = await ask(`${url}/market/quotes/MSFT`, agent);
        statuses.push(answer.status);
        if (answer.isLast) return;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await waitFor(() => statuses.length > 100, { describe: 'traffic' });
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await Promise.all(clients);
    await exit;
    agent.destroy();
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(await backends()).toEqual([]);
  });
});

describe('a start that cannot succeed', () => {
  it('says why and what to do, ends with 1 and leaves no session', async () => {
    const { child, output } = spawnApp({ PORT: 'http' });
    const [code] = await once(child, 'exit');
    expect(code).toBe(1);
    expect(output()).toMatch(/PORT is "http".*\n\s+mend: /);
    expect(await backends()).toEqual([]);
  });
});
