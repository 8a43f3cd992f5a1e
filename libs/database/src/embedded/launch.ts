// The steps of a start, in their order: user, folder, binaries, password, data directory, server.
import { existsSync } from 'node:fs';
import { BorrowedServer } from './borrowed-server.js';
import { ensureCluster, ensurePassword, probeBinaries } from './cluster.js';
import { dataDirAt, prepareDataDir } from './data-dir.js';
import type { EmbeddedPostgresOptions } from './embedded.options.js';
import { openServer, type OpenServer, type ServerPlan } from './open-server.js';
import { findPlatformPackage } from './platform-package.js';
import { prepareRuntime } from './runtime.js';
import { findServerUser } from './server-user.js';
import { DEVELOPMENT_SETTINGS } from './settings.js';

/** A server that accepts connections, and how to log in. */
export interface LaunchedServer {
  readonly server: OpenServer;
  /** As in `18.4`. */
  readonly version: string;
  readonly password: string;
}

/** Brings the server of a data directory up, whatever state it is in. */
export async function launch(
  dataDir: string,
  projectDir: string,
  options: EmbeddedPostgresOptions,
): Promise<LaunchedServer> {
  const onProgress = options.onProgress ?? ((): void => undefined);
  const dir = dataDirAt(dataDir);
  const user = await findServerUser(dir.pgdata);
  await prepareDataDir(dir, user);
  const binDir =
    options.binDir ?? (await prepareRuntime(findPlatformPackage(projectDir), dir.runtimeDir));
  const binaries = await probeBinaries(binDir, user);
  const password = await ensurePassword(dir.passwordFile);
  if (!existsSync(dir.pgdata)) {
    onProgress(`creating the data directory of PostgreSQL ${binaries.version}`);
  }
  await ensureCluster(dir, binaries, user, password);
  const plan: ServerPlan = {
    dir,
    binaries,
    user,
    password,
    port: options.port,
    settings: { ...DEVELOPMENT_SETTINGS, ...options.settings },
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
    stopTimeoutMs: options.stopTimeoutMs ?? 5_000,
    onProgress,
  };
  const opened = await openServer(plan);
  const reopen = (port: number): Promise<OpenServer> => openServer({ ...plan, port });
  const server = opened.owned ? opened : new BorrowedServer(opened, reopen, onProgress);
  return { server, version: binaries.version, password };
}
