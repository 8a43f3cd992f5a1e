// Starts app.child.ts in a Node of its own, and reads what it says.
import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { findProjectDir } from '../../libs/database/src/embedded/data-dir.js';
import { waitFor } from '../support/wait-for.js';

const root = findProjectDir();

/** What the child says once its server runs. */
export interface Started {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly isBorrowed: boolean;
}

interface Message {
  readonly started?: Started;
  readonly error?: string;
  readonly step?: string;
  readonly drained?: readonly { readonly answer: number }[];
}

/** How the child ends once its server runs. */
export type Ending = 'stay' | 'drain' | 'exit' | 'return' | 'throw';

/** A running child. */
export class ChildApp {
  readonly messages: Message[] = [];
  private hasExited = false;

  private constructor(private readonly child: ChildProcess) {
    const lines = child.stdout === null ? [] : createInterface({ input: child.stdout });
    void (async () => {
      for await (const line of lines) this.messages.push(JSON.parse(line) as Message);
    })();
    child.once('exit', () => (this.hasExited = true));
  }

  static spawn(dataDir: string, ending: Ending = 'stay', options: SpawnOptions = {}): ChildApp {
    const args = ['--import', join(root, 'test/support/register-ts.mjs')];
    args.push(join(root, 'test/embedded/app.child.ts'), dataDir, ending);
    const env = { ...process.env, NODE_ENV: 'test', ...options.env };
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return new ChildApp(spawn(process.execPath, args, { ...options, env, stdio: [...stdio] }));
  }

  async started(): Promise<Started> {
    return waitFor(
      () => {
        if (this.find('error') !== undefined) return { failed: this.find('error') };
        return this.find('started');
      },
      { describe: 'the child to start its server', timeoutMs: 20_000 },
    ).then((outcome) => {
      if ('failed' in outcome) throw new Error(outcome.failed);
      return outcome;
    });
  }

  /** The message of the error that its start ended with. */
  failed(): Promise<string> {
    return waitFor(() => this.find('error'), { describe: 'the child to fail', timeoutMs: 20_000 });
  }

  find<Key extends keyof Message>(key: Key): Message[Key] | undefined {
    return this.messages.find((message) => message[key] !== undefined)?.[key];
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async ended(): Promise<void> {
    if (!this.hasExited) await once(this.child, 'exit');
  }
}
