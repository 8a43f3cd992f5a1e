// One running `postgres` that is our child, and dies with us however we die.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants, open, type FileHandle } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded.errors.js';
import { endWithProcess } from './exit-guard.js';
import { eventually, readPostmasterFile, signalPostmaster, stopPostmaster } from './postmaster.js';
import type { ServerUser } from './server-user.js';

const MAX_LOG_BYTES = 1_000_000;
const TAIL_BYTES = 2_000;

/** What to run. */
export interface ServerCommand {
  readonly binDir: string;
  readonly pgdata: string;
  readonly logFile: string;
  readonly user: ServerUser;
  /** Settings on the command line: nothing in the data directory can override them. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/** A `postgres` process started by this one. */
export class ServerProcess {
  #exited = false;
  #stopping: Promise<void> | undefined;

  private constructor(
    readonly pid: number,
    private readonly command: ServerCommand,
    private readonly child: ChildProcess,
    private readonly logOffset: number,
    release: () => void,
  ) {
    child.once('exit', () => {
      this.#exited = true;
      release();
    });
  }

  /** Spawns the server; it does not accept connections yet. */
  static async spawn(command: ServerCommand): Promise<ServerProcess> {
    const log = await openLog(command.logFile);
    try {
      const { size } = await log.stat();
      const postgres = join(command.binDir, 'postgres');
      const args = ['-D', command.pgdata];
      for (const [name, value] of Object.entries(command.settings))
        args.push('-c', `${name}=${value}`);
      const setpriv = await findSetpriv();
      const [file, argv] =
        setpriv === undefined
          ? [postgres, args]
          : [setpriv, ['--pdeathsig', 'INT', '--', postgres, ...args]];
      const child = spawn(file, argv, {
        ...command.user,
        // Its own process group: Ctrl-C is for the app, which still needs the server while it drains.
        detached: true,
        cwd: dirname(command.pgdata),
        env: serverEnvironment(),
        stdio: ['ignore', log.fd, log.fd],
        windowsHide: true,
      });
      await once(child, 'spawn');
      const pid = child.pid as number;
      const stop = (): void => signalPostmaster(pid, 'SIGINT', command.binDir);
      const release = endWithProcess(stop, { onSignals: setpriv === undefined });
      return new ServerProcess(pid, command, child, size, release);
    } catch (error) {
      throw new EmbeddedPostgresError('The server could not be spawned', {
        mend: `Look whether ${command.binDir} can be read and run by the server's user.`,
        cause: error,
      });
    } finally {
      await log.close();
    }
  }

  /** True until the process has ended. */
  get isRunning(): boolean {
    return !this.#exited;
  }

  /** Waits for the server to accept connections; false when it ended, or `timeoutMs` passed. */
  async becomesReady(timeoutMs: number): Promise<boolean> {
    let ready = false;
    await eventually(async () => {
      const file = await readPostmasterFile(this.command.pgdata);
      ready = file?.pid === this.pid && (file.status === 'ready' || file.status === 'standby');
      return ready || this.#exited;
    }, timeoutMs);
    // From here on it keeps no idle script alive; the exit guard ends it.
    if (ready) this.child.unref();
    return ready && !this.#exited;
  }

  /** Sends a signal to the postmaster; a process that ended is no error. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#exited) signalPostmaster(this.pid, signal, this.command.binDir);
  }

  /** Ends the server: fast, then immediate, then by force. Idempotent; bounded by `timeoutMs` + 4 s. */
  stop(timeoutMs: number): Promise<void> {
    this.child.ref();
    this.#stopping ??= stopPostmaster(this.pid, this.command.binDir, () => this.#exited, timeoutMs);
    return this.#stopping;
  }

  /** Resolves when the process has ended, for whatever reason. */
  async ended(): Promise<void> {
    if (this.#exited) return;
    this.child.ref();
    await once(this.child, 'exit');
  }

  /** The last lines of the log that this process wrote. */
  async logTail(): Promise<string> {
    const log = await open(this.command.logFile, 'r');
    try {
      const { size } = await log.stat();
      const from = Math.max(this.logOffset, size - TAIL_BYTES);
      const { buffer, bytesRead } = await log.read(
        Buffer.alloc(Math.max(0, size - from)),
        0,
        null,
        from,
      );
      return buffer.subarray(0, bytesRead).toString('utf8').trim();
    } finally {
      await log.close();
    }
  }
}

/** Appends, for two processes may start at once; follows no link that the server's user planted. */
async function openLog(path: string): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_RDWR } = constants;
  // Absent on Windows.
  const O_NOFOLLOW = (constants as Partial<typeof constants>).O_NOFOLLOW ?? 0;
  const log = await open(path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600);
  if ((await log.stat()).size > MAX_LOG_BYTES) await log.truncate();
  return log;
}

/** What the server and initdb may see of our environment: no secret of the app, no PG* variable. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot'];
  const env: NodeJS.ProcessEnv = { LC_ALL: 'C' };
  for (const name of kept) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

let setprivPath: Promise<string | undefined> | undefined;

/** util-linux's setpriv, which has the kernel stop the server when our thread ends; undefined where it cannot. */
function findSetpriv(): Promise<string | undefined> {
  setprivPath ??= probeSetpriv();
  return setprivPath;
}

async function probeSetpriv(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((dir) => join(dir, 'setpriv'))
    .find((file) => existsSync(file));
  if (path === undefined) return undefined;
  // BusyBox has a setpriv without this option.
  return promisify(execFile)(path, ['--pdeathsig', 'INT', '--', 'true']).then(
    () => path,
    () => undefined,
  );
}
