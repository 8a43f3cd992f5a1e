// A server seen from outside: its postmaster.pid, whether its process lives, and how to end it.
import { execFile, spawnSync } from 'node:child_process';
import { readFile, readlink, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../kernel/clock.js';
import { EmbeddedPostgresError, errnoOf } from './embedded.errors.js';

const run = promisify(execFile);

/** How often a file or a process is looked at while we wait for it, in ms. */
export const POLL_MS = 10;

/** What a server writes into its data directory about itself. */
export interface PostmasterFile {
  readonly pid: number;
  readonly port: number;
  readonly status: 'starting' | 'ready' | 'standby' | 'stopping';
}

/** Reads postmaster.pid; undefined when there is none, or it is not written to its end yet. */
export async function readPostmasterFile(pgdata: string): Promise<PostmasterFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(pgdata, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const status = lines[7]?.trim();
  const known =
    status === 'ready' || status === 'standby' || status === 'stopping' ? status : 'starting';
  return { pid, port: Number(lines[3]), status: known };
}

/** True while a process with this id exists, whoever owns it. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** True when the process is a server on this data directory, and not a stranger who was given its old id. */
export async function isPostmasterOf(pid: number, pgdata: string): Promise<boolean> {
  if (!isProcessAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  if (process.platform !== 'linux') return (await commandOf(pid)).startsWith('postgres');
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(pgdata));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
  }
  // A container's root may not look into a foreign process: its name has to do.
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return name.startsWith('postgres');
}

async function commandOf(pid: number): Promise<string> {
  const { stdout } = await run('ps', ['-o', 'comm=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return basename(stdout.trim());
}

/** Sends a signal; a process that is gone already is no error. */
export function signalPostmaster(pid: number, signal: NodeJS.Signals, binDir: string): void {
  // Windows knows no signals: node would kill the server hard, pg_ctl asks it.
  if (process.platform === 'win32' && signal !== 'SIGKILL') {
    spawnSync(join(binDir, 'pg_ctl'), ['kill', signal.slice('SIG'.length), String(pid)]);
    return;
  }
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return;
    throw new EmbeddedPostgresError(`The server (process ${pid}) cannot be signalled`, {
      mend: 'It runs as another user: stop it as that user.',
      cause: error,
    });
  }
}

/** Polls until the condition holds; false when `timeoutMs` pass before. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const endsAt = systemClock.monotonicMs() + timeoutMs;
  while (!(await condition())) {
    if (systemClock.monotonicMs() >= endsAt) return false;
    await systemClock.sleep(POLL_MS);
  }
  return true;
}

/**
 * Ends a server: fast shutdown, then immediate, then kill. Bounded by `timeoutMs` + 4 s.
 * @throws EmbeddedPostgresError when even the kill does not end it.
 */
export async function stopPostmaster(
  pid: number,
  binDir: string,
  isGone: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const steps: readonly (readonly [NodeJS.Signals, number])[] = [
    ['SIGINT', timeoutMs],
    ['SIGQUIT', 2_000],
    ['SIGKILL', 2_000],
  ];
  for (const [signal, waitMs] of steps) {
    if (await isGone()) return;
    signalPostmaster(pid, signal, binDir);
    if (await eventually(isGone, waitMs)) return;
  }
  throw new EmbeddedPostgresError(
    `The server (process ${pid}) does not end, not even when it is killed`,
    {
      mend: 'Its disk may hang: look at the process (state D) and at the system log.',
    },
  );
}
