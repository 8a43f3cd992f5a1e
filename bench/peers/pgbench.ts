// pgbench: how fast the server itself is, from a client in C that prepares; one round is one process.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { memoryMb } from '../measure.js';
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

/** Its answer: `tps = 1234.5 (without initial connection time)`. */
function tpsOf(output: string): number {
  const tps = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
  if (Number.isFinite(tps)) return tps;
  throw new Error(`pgbench did not say its tps: ${output.slice(0, 200)}`);
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

  /** One round; whole seconds, for it takes no others. */
  async round(seconds: number, signal: AbortSignal): Promise<Sample> {
    const whole = Math.max(1, Math.round(seconds));
    const folder = await mkdtemp(join(tmpdir(), 'pgbench-'));
    try {
      const log = ['-l', `--sampling-rate=${SAMPLING_RATE}`, `--log-prefix=${join(folder, 'log')}`];
      const load = ['-n', '-S', '-M', 'prepared', '-j', '1', '-c', String(this.connections)];
      const output = await this.run([...load, ...log, '-T', String(whole)], {
        timeout: whole * 1_000 + GRACE_MS,
        signal,
      });
      const timesMs = await timesIn(folder);
      return {
        opsPerS: tpsOf(output),
        p50Ms: quantile(timesMs, 0.5),
        p99Ms: quantile(timesMs, 0.99),
        cpuUs: null,
        ...memoryMb(),
      };
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
