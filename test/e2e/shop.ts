// Starts the shop, talks to it, and sees to it that it ends.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DatabaseModuleOptions } from 'nestjs-database';

const support = join(import.meta.dirname, '..', 'support', 'register-ts.mjs');

/** An answer of the shop; `failed` is the error code of a request that got none. */
export interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown> | undefined;
  readonly failed: string | undefined;
  readonly tookMs: number;
}

/** A running shop. */
export interface Shop {
  readonly port: number;
  readonly pid: number;
  send(method: 'GET' | 'POST', path: string): Promise<Answer>;
  /** Sends SIGTERM; resolves with exit code, signal and the time it took, in ms. */
  terminate(): Promise<{ code: number | null; signal: NodeJS.Signals | null; tookMs: number }>;
  /** What it wrote to its error output. */
  errors(): string;
  kill(): void;
}

async function portOf(child: ChildProcess, errors: () => string): Promise<number> {
  if (child.stdout === null) throw new Error('The shop has no output.');
  const lines = createInterface(child.stdout);
  const line = once(lines, 'line').then(([text]) => text as string);
  const ended = once(child, 'exit').then(() => {
    throw new Error(`The shop ended before it listened:\n${errors()}`);
  });
  return (JSON.parse(await Promise.race([line, ended])) as { port: number }).port;
}

function sender(port: number): Shop['send'] {
  // A connection of its own for each request: what is measured is the application, not the reuse of sockets.
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  return (method, path) =>
    new Promise((resolve) => {
      const startedAtMs = performance.now();
      const answer = (facts: Omit<Answer, 'tookMs'>): void =>
        resolve({ ...facts, tookMs: performance.now() - startedAtMs });
      const fail = (error: NodeJS.ErrnoException): void =>
        answer({
          status: undefined,
          headers: {},
          body: undefined,
          failed: error.code ?? error.message,
        });
      const sent = request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('error', fail);
        response.once('end', () => {
          const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>);
          answer({
            status: response.statusCode,
            headers: response.headers,
            body,
            failed: undefined,
          });
        });
      });
      sent.once('error', fail).end();
    });
}

/** Starts the shop as a process of its own. */
export async function startShop(options: DatabaseModuleOptions): Promise<Shop> {
  const script = join(import.meta.dirname, 'shop.child.ts');
  const child = spawn(process.execPath, ['--import', support, script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const port = await portOf(child, () => errors);
  return {
    port,
    pid: child.pid ?? 0,
    send: sender(port),
    terminate: async () => {
      const startedAtMs = performance.now();
      const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
      child.kill('SIGTERM');
      const [code, signal] = await exit;
      return { code, signal, tookMs: performance.now() - startedAtMs };
    },
    errors: () => errors,
    kill: () => void child.kill('SIGKILL'),
  };
}
