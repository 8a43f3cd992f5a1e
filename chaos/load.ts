// The parent's hold on the clients' process: a crash of it is something to be seen, not the end of the run.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the process is given when it starts. */
export interface LoadTask {
  readonly seed: number;
  readonly urls: readonly string[];
  readonly journalPath: string;
}

/** What it is told while it runs. */
export type LoadOrder =
  { readonly do: 'start' | 'close' } | { readonly do: 'drain'; readonly timeoutMs: number };

/** What it tells when an order is carried out; `pending` are the ids of calls that did not end. */
export interface LoadReply {
  readonly did: 'open' | 'drain' | 'close';
  readonly pending: readonly string[];
}

const HOOKS = join(import.meta.dirname, '..', 'test', 'support', 'register-ts.mjs');
const SCRIPT = join(import.meta.dirname, 'load.child.ts');
const MAX_ERROR_CHARS = 4_000;

/** The clients' process. Whoever starts it ends it. */
export class Load {
  private errorText = '';
  private readonly replies = new Map<LoadReply['did'], LoadReply>();
  private ending: string | undefined;

  private constructor(private readonly child: ChildProcess) {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.errorText = (this.errorText + chunk).slice(-MAX_ERROR_CHARS);
    });
    child.on('message', (reply: LoadReply) => this.replies.set(reply.did, reply));
    child.once('exit', (code, signal) => (this.ending = `code ${code}, signal ${signal}`));
    // A message to a process that has just ended; the exit is what counts.
    child.on('error', () => undefined);
  }

  /** Starts the process and waits until it is connected. */
  static async start(task: LoadTask): Promise<Load> {
    const child = spawn(process.execPath, ['--import', HOOKS, SCRIPT, JSON.stringify(task)], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    const load = new Load(child);
    const opened = await load.replied('open', 20_000);
    if (opened === undefined) {
      load.kill();
      throw new Error(`The load did not start (${load.end ?? 'it runs'}):\n${load.errors}`);
    }
    return load;
  }

  /** How the process ended; undefined while it runs. */
  get end(): string | undefined {
    return this.ending;
  }

  /** The end of its error output. */
  get errors(): string {
    return this.errorText;
  }

  start(): void {
    this.order({ do: 'start' });
  }

  /** Has it begin no further call; the ids of those that do not end within the time, undefined without an answer. */
  async drain(timeoutMs: number): Promise<readonly string[] | undefined> {
    this.order({ do: 'drain', timeoutMs });
    return (await this.replied('drain', timeoutMs + 2_000))?.pending;
  }

  /** Has it close both instances; false when they do not. */
  async close(timeoutMs: number): Promise<boolean> {
    this.order({ do: 'close' });
    return (await this.replied('close', timeoutMs)) !== undefined;
  }

  /** Waits for the end of the process. */
  async ends(timeoutMs: number): Promise<boolean> {
    const deadline = new AbortController();
    const limit = sleep(timeoutMs, undefined, { signal: deadline.signal }).catch(() => undefined);
    if (this.ending === undefined) await Promise.race([once(this.child, 'exit'), limit]);
    deadline.abort();
    return this.ending !== undefined;
  }

  /** Ends it by force. Idempotent. */
  kill(): void {
    if (this.ending === undefined) this.child.kill('SIGKILL');
  }

  private order(order: LoadOrder): void {
    if (this.child.connected) this.child.send(order);
  }

  private async replied(did: LoadReply['did'], timeoutMs: number): Promise<LoadReply | undefined> {
    const endsAtMs = performance.now() + timeoutMs;
    while (!this.replies.has(did) && this.ending === undefined && performance.now() < endsAtMs) {
      await sleep(20);
    }
    return this.replies.get(did);
  }
}
