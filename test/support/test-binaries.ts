// Where the suites' servers come from: binaries, their user, and folders below the project's state directory.
import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeBinaries } from '../../libs/database/src/embedded/cluster.js';
import type { ServerBinaries } from '../../libs/database/src/embedded/cluster.js';
import {
  findProjectDir,
  makeFolder,
  stateDirOf,
} from '../../libs/database/src/embedded/data-dir.js';
import { findPlatformPackage } from '../../libs/database/src/embedded/platform-package.js';
import {
  isPostmasterOf,
  isProcessAlive,
  readPostmasterFile,
  stopPostmaster,
} from '../../libs/database/src/embedded/postmaster.js';
import { prepareRuntime } from '../../libs/database/src/embedded/runtime.js';
import { findServerUser } from '../../libs/database/src/embedded/server-user.js';
import type { ServerUser } from '../../libs/database/src/embedded/server-user.js';

/** What it takes to run a test server. */
export interface TestBinaries extends ServerBinaries {
  readonly user: ServerUser;
}

/** Everything that the suites write lies here, and may be deleted. */
export function testStateDir(): string {
  return join(stateDirOf(findProjectDir(import.meta.dirname)), 'test');
}

/** The embedded binaries, or those in `TEST_POSTGRES_BIN`. A missing server is an error with its mend: no suite is skipped. */
export async function findTestBinaries(): Promise<TestBinaries> {
  const dir = testStateDir();
  await makeDir(dir);
  await writeFile(join(dir, '.gitignore'), '*\n');
  const user = await findServerUser(join(dir, 'none'));
  const binDir =
    process.env['TEST_POSTGRES_BIN'] ??
    (await prepareRuntime(
      findPlatformPackage(findProjectDir(import.meta.dirname)),
      join(dir, 'runtime'),
    ));
  return { ...(await probeBinaries(binDir, user)), user };
}

/** A new folder for one cluster, marked with the process that made it. */
export async function makeRunDir(): Promise<string> {
  const dir = join(testStateDir(), `run-${process.pid}-${randomUUID().slice(0, 8)}`);
  await makeDir(dir);
  return dir;
}

/** Ends and deletes what runs that were killed have left behind. */
export async function removeAbandonedRuns(binaries: TestBinaries): Promise<void> {
  for (const name of await readdir(testStateDir())) {
    const pid = /^run-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isProcessAlive(Number(pid))) continue;
    const run = join(testStateDir(), name);
    for (const node of await readdir(run)) await endServer(join(run, node, 'pgdata'), binaries);
    await rm(run, { recursive: true, force: true });
  }
}

async function endServer(pgdata: string, { binDir }: TestBinaries): Promise<void> {
  const file = await readPostmasterFile(pgdata).catch(() => undefined);
  if (file === undefined || !(await isPostmasterOf(file.pid, pgdata))) return;
  await stopPostmaster(
    file.pid,
    binDir,
    async () => !(await isPostmasterOf(file.pid, pgdata)),
    2_000,
  );
}

/** A folder that the server's user can enter. */
export function makeDir(path: string): Promise<void> {
  return makeFolder(path, 0o711);
}
