// pgbench: how fast the server itself is, from a client in C that prepares; one round is one process.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { quantile } from '../statistics.js';
import type { Sample } from '../statistics.js';

const run = promisify(execFile);
const GRACE_MS = 30_000;
/** Calls whose time is written down: enough for the 99th percentile, and too few to slow the rest. */
const SAMPLING_RATE = 0.1;

/** Where it is installed, in PATH or where Debian puts it; undefined when it is nowhere. */
export function findPgbench(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const newest = versions.toSorted((a, b) => Number(b) - Number(a));
  const folders = [
    ...newest.map((version) => join(debian, version, 'bin')),
    ...(env['PATH'] ?? '').split(delimiter),
  ];
  return folders.map((folder) => join(folder, 'pgbench')).find((path) => existsSync(path));
}

/** Its answer: `tps = 1234.5 (without initial connection time)`; undefined when it came to no transaction. */
function tpsOf(output: string): number | undefined {
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1];
  return tps === undefined ? undefined : Number(tps);
}

/** pgbench on one server. */
export class Pgbench {
  constructor(
    private readonly path: string,
    private readonly url: string,
    private readonly connections: number,
  ) {}

  /** Makes its tables. */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.run(['-i', '-q', '-s', '1'], { timeout: GRACE_MS, signal });
  }

  /**
   * One round; whole seconds, for it takes no others.
   * @throws when it comes to no transaction
   */
  async round(seconds: number, signal: AbortSignal): Promise<Sample> {
    const whole = Math.max(1, Math.round(seconds));
    // Its time begins before it has connected: on a busy machine that may be all of it.
    for (const length of [whole, whole + 2, whole + 8]) {
      const sample = await this.tryRound(length, signal);
      if (sample !== undefined) return sample;
    }
    throw new Error(`${this.connections} connections took it longer than ${whole + 8} s`);
  }

  private async tryRound(seconds: number, signal: AbortSignal): Promise<Sample | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'pgbench-'));
    try {
      const log = ['-l', `--sampling-rate=${SAMPLING_RATE}`, `--log-prefix=${join(folder, 'log')}`];
      const load = ['-n', '-S', '-M', 'prepared', '-j', '1', '-c', String(this.connections)];
      const output = await this.run([...load, ...log, '-T', String(seconds)], {
        timeout: seconds * 1_000 + GRACE_MS,
        signal,
      });
      const [opsPerS, timesMs] = [tpsOf(output), await timesIn(folder)];
      if (opsPerS === undefined || timesMs.length === 0) return undefined;
      const [p50Ms, p99Ms] = [quantile(timesMs, 0.5), quantile(timesMs, 0.99)];
      return { opsPerS, p50Ms, p99Ms, cpuUs: null };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async run(
    args: readonly string[],
    limits: { readonly timeout: number; readonly signal: AbortSignal },
  ): Promise<string> {
    const { hostname, port, username, password, pathname } = new URL(this.url);
    const where = ['-h', hostname, '-p', port, '-U', username, pathname.slice(1)];
    // Not among the arguments, which everybody on the machine can read.
    const env = { ...process.env, PGPASSWORD: decodeURIComponent(password) };
    const { stdout } = await run(this.path, [...args, ...where], { ...limits, env });
    return stdout;
  }
}

/** Times in ms, ascending; the third column of its log is one in us. */
async function timesIn(folder: string): Promise<number[]> {
  const files = await readdir(folder);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
  return lines.map((line) => Number(line.split(' ')[2]) / 1_000).toSorted((a, b) => a - b);
}
