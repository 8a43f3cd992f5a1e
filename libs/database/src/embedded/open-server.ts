// Brings a data directory to a server that accepts connections: reuse, clear away, or start.
import { randomUUID } from 'node:crypto';
import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../kernel/clock.js';
import { findOwner, OWNER_SETTING } from './admin-session.js';
import type { ServerBinaries } from './cluster.js';
import type { DataDir } from './data-dir.js';
import { EmbeddedPostgresError, sqlStateOf } from './embedded.errors.js';
import { findFreePort, isPortFree } from './free-port.js';
import {
  isPostmasterOf,
  isProcessAlive,
  POLL_MS,
  readPostmasterFile,
  stopPostmaster,
} from './postmaster.js';
import { ServerProcess } from './server-process.js';
import type { ServerUser } from './server-user.js';
import { renderSettings, type ServerSettings } from './settings.js';

/** Everything that a start needs to know. */
export interface ServerPlan {
  readonly dir: DataDir;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  readonly password: string;
  /** Undefined: any free port. */
  readonly port: number | undefined;
  readonly settings: ServerSettings;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly onProgress: (step: string) => void;
}

/** A server that accepts connections. */
export interface OpenServer {
  readonly pid: number;
  readonly port: number;
  /** False when another process started it: it also ends it. */
  readonly owned: boolean;
  isRunning(): boolean;
  stop(): Promise<void>;
}

/**
 * Reuses the server of a living process, ends the one that a killed process left, or starts one.
 * Several processes may do this at once: PostgreSQL's own lock lets one server live, the others find it.
 */
export async function openServer(plan: ServerPlan): Promise<OpenServer> {
  const endsAt = systemClock.monotonicMs() + plan.startTimeoutMs;
  for (;;) {
    const opened = (await reuse(plan, endsAt)) ?? (await start(plan, endsAt));
    if (opened !== undefined) return opened;
  }
}

/** Written beside and renamed: another process may be reading it, and the server's user may have planted a link. */
async function writeSettings({ dir, settings }: ServerPlan): Promise<void> {
  const draft = `${dir.settingsFile}.${randomUUID()}`;
  await writeFile(draft, renderSettings(settings), { flag: 'wx' });
  await chmod(draft, 0o644);
  await rename(draft, dir.settingsFile);
}

async function reuse(plan: ServerPlan, endsAt: number): Promise<OpenServer | undefined> {
  const { pgdata } = plan.dir;
  for (;;) {
    const file = await readPostmasterFile(pgdata);
    if (file === undefined || !isProcessAlive(file.pid)) return undefined;
    if (!(await isPostmasterOf(file.pid, pgdata))) {
      // PostgreSQL would take the stranger with the old id for a server, and refuse to start.
      await rm(join(pgdata, 'postmaster.pid'), { force: true });
      return undefined;
    }
    if (file.status === 'stopping') {
      await clearAway(plan, file.pid);
      continue;
    }
    const owner = file.status === 'ready' ? await askOwner(plan, file.port) : undefined;
    if (owner !== undefined && owner > 0 && isProcessAlive(owner))
      return attach(plan, file.pid, file.port, owner);
    if (owner !== undefined) {
      plan.onProgress('ending the server that a killed process left behind');
      await clearAway(plan, file.pid);
      continue;
    }
    if (systemClock.monotonicMs() > endsAt) throw unresponsive(plan, file.pid);
    await systemClock.sleep(POLL_MS);
  }
}

async function clearAway(plan: ServerPlan, pid: number): Promise<void> {
  const isGone = async (): Promise<boolean> => !(await isPostmasterOf(pid, plan.dir.pgdata));
  await stopPostmaster(pid, plan.binaries.binDir, isGone, plan.stopTimeoutMs);
}

/** The id of the process that started it; undefined while it does not accept us, as it does in its first and last moments. */
async function askOwner(plan: ServerPlan, port: number): Promise<number | undefined> {
  try {
    return await findOwner({ port, password: plan.password }, plan.dir.pgdata);
  } catch (error) {
    if (sqlStateOf(error) !== '28P01') return undefined;
    throw new EmbeddedPostgresError(
      `The password in ${plan.dir.passwordFile} does not open the server`,
      {
        mend: 'It was changed in one of the two places: restore it, or delete the data folder to start empty.',
        cause: error,
      },
    );
  }
}

function attach(plan: ServerPlan, pid: number, port: number, owner: number): OpenServer {
  if (plan.port !== undefined && plan.port !== port) {
    throw new EmbeddedPostgresError(
      `Process ${owner} already runs this server, on port ${port} instead of ${plan.port}`,
      {
        mend: 'Leave the option port out to share it, stop that process, or pass another dataDir.',
      },
    );
  }
  plan.onProgress(`using the server that process ${owner} started`);
  return {
    pid,
    port,
    owned: false,
    isRunning: () => isProcessAlive(pid),
    stop: () => Promise.resolve(),
  };
}

function unresponsive(plan: ServerPlan, pid: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `Process ${pid} holds ${plan.dir.pgdata}, but accepts no connection`,
    {
      mend: `If it is PostgreSQL, stop it (kill -INT ${pid}); if not, delete postmaster.pid in that folder.`,
    },
  );
}

/** Undefined when another process, or another server on the port, was faster: look again. */
async function start(plan: ServerPlan, endsAt: number): Promise<OpenServer | undefined> {
  const port = plan.port ?? (await findFreePort(plan.dir.root));
  plan.onProgress('starting the server');
  await writeSettings(plan);
  const server = await ServerProcess.spawn({
    binDir: plan.binaries.binDir,
    pgdata: plan.dir.pgdata,
    logFile: plan.dir.logFile,
    user: plan.user,
    settings: {
      port,
      listen_addresses: '127.0.0.1',
      // No socket file: its path would be too long in a deep folder, and TCP serves every client.
      unix_socket_directories: '',
      [OWNER_SETTING]: process.pid,
    },
  });
  if (await server.becomesReady(endsAt - systemClock.monotonicMs())) {
    const stop = (): Promise<void> => server.stop(plan.stopTimeoutMs);
    return { pid: server.pid, port, owned: true, isRunning: () => server.isRunning, stop };
  }
  const timedOut = server.isRunning;
  await server.stop(plan.stopTimeoutMs);
  const holder = await readPostmasterFile(plan.dir.pgdata);
  const overtaken = holder !== undefined && holder.pid !== server.pid && isProcessAlive(holder.pid);
  const portTaken = !(await isPortFree(port));
  if (!timedOut && (overtaken || (portTaken && plan.port === undefined))) return undefined;
  throw await startError(plan, server, { port, timedOut, portTaken });
}

async function startError(
  plan: ServerPlan,
  server: ServerProcess,
  facts: { readonly port: number; readonly timedOut: boolean; readonly portTaken: boolean },
): Promise<EmbeddedPostgresError> {
  const logTail = await server.logTail();
  if (facts.portTaken) {
    return new EmbeddedPostgresError(`Port ${facts.port} on 127.0.0.1 is taken`, {
      mend: 'Stop what listens there, or leave the option port out to get a free one.',
      logTail,
    });
  }
  return new EmbeddedPostgresError(
    facts.timedOut
      ? `The server was not ready after ${plan.startTimeoutMs} ms`
      : 'The server ended while it started',
    { mend: `Read its log in ${plan.dir.logFile}.`, logTail },
  );
}
