// Makes a data directory from nothing: password, initdb, settings; and checks one that exists.
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  chown,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../kernel/clock.js';
import type { DataDir } from './data-dir.js';
import { EmbeddedPostgresError, errnoOf } from './embedded.errors.js';
import { serverEnvironment } from './server-process.js';
import type { ServerUser } from './server-user.js';

const run = promisify(execFile);
const INITDB_TIMEOUT_MS = 120_000;
const ABANDONED_AFTER_MS = 10 * 60_000;

/** Binaries that run on this machine. */
export interface ServerBinaries {
  readonly binDir: string;
  /** As in `18.4`. */
  readonly version: string;
  readonly majorVersion: number;
}

/**
 * Asks the binaries for their version: the proof that this machine can run them as the server's user.
 * @throws EmbeddedPostgresError with the likely cause when it cannot.
 */
export async function probeBinaries(binDir: string, user: ServerUser): Promise<ServerBinaries> {
  const postgres = join(binDir, 'postgres');
  try {
    const { stdout } = await run(postgres, ['--version'], {
      ...user,
      cwd: binDir,
      env: serverEnvironment(),
    });
    const version = /(\d+)[.\d]*/.exec(stdout);
    if (version === null) throw new Error(`unknown version: ${stdout.trim()}`);
    return { binDir, version: version[0], majorVersion: Number(version[1]) };
  } catch (error) {
    const loaderMissing =
      errnoOf(error) === 'ENOENT' && existsSync(postgres) && process.platform === 'linux';
    throw new EmbeddedPostgresError(`The PostgreSQL binaries in ${binDir} do not run here`, {
      mend: loaderMissing
        ? 'They need glibc, which Alpine does not have: use a Debian-based image, install PostgreSQL and pass its folder as binDir, or set a url.'
        : 'Look at the cause; or install PostgreSQL and pass its folder as binDir, or set the url of a server.',
      cause: error,
    });
  }
}

/** Reads the superuser's password; the first process to ask makes it, and no second one can replace it. */
export async function ensurePassword(file: string): Promise<string> {
  if (!existsSync(file)) {
    const draft = `${file}.${randomUUID()}`;
    await writeFile(draft, randomBytes(24).toString('base64url'), { flag: 'wx', mode: 0o600 });
    try {
      await link(draft, file);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    } finally {
      await rm(draft, { force: true });
    }
  }
  return readFile(file, 'utf8');
}

/**
 * Runs initdb unless the data directory exists, and then checks that it fits. A half-made one cannot stay
 * behind: the draft takes its name only when it is complete, and one of two processes wins.
 * @returns true when it was made now.
 */
export async function ensureCluster(
  dir: DataDir,
  binaries: ServerBinaries,
  user: ServerUser,
  password: string,
): Promise<boolean> {
  if (existsSync(dir.pgdata)) {
    await requireFittingVersion(dir.pgdata, binaries);
    return false;
  }
  await removeAbandonedDrafts(dir.pgdata);
  const draft = `${dir.pgdata}.draft-${randomUUID()}`;
  try {
    await initdb(draft, binaries, user, password);
    const include = relative(dir.pgdata, dir.settingsFile).replaceAll('\\', '/');
    await appendFile(join(draft, 'postgresql.conf'), `\ninclude_if_exists = '${include}'\n`);
    await rename(draft, dir.pgdata);
    return true;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(dir.pgdata)) throw error;
    await requireFittingVersion(dir.pgdata, binaries);
    return false;
  }
}

/** Runs initdb on a new folder that belongs to the server's user. The password is for scram alone: no login without it. */
async function initdb(
  pgdata: string,
  binaries: ServerBinaries,
  user: ServerUser,
  password: string,
): Promise<void> {
  const passwordFile = `${pgdata}.password`;
  const locale =
    binaries.majorVersion >= 17
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
      : ['--locale=C.UTF-8'];
  const args = ['-D', pgdata, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  args.push('-E', 'UTF8', ...locale, '--no-instructions');
  try {
    await mkdir(pgdata, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { flag: 'wx', mode: 0o600 });
    if (user.uid !== undefined && user.gid !== undefined) {
      await chown(pgdata, user.uid, user.gid);
      await chown(passwordFile, user.uid, user.gid);
    }
    const options = {
      ...user,
      cwd: dirname(pgdata),
      env: serverEnvironment(),
      timeout: INITDB_TIMEOUT_MS,
    };
    await run(join(binaries.binDir, 'initdb'), args, options);
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new EmbeddedPostgresError(`The data directory ${pgdata} could not be made`, {
      mend: 'Look at the free space and at the mode of the folder, or pass another dataDir.',
      ...(output === '' ? {} : { logTail: output }),
      cause: error,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function requireFittingVersion(pgdata: string, binaries: ServerBinaries): Promise<void> {
  const text = await readFile(join(pgdata, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (text === undefined) {
    throw new EmbeddedPostgresError(`${pgdata} exists, but it is no PostgreSQL data directory`, {
      mend: 'Delete it, or pass another dataDir.',
    });
  }
  const major = Number(text.trim());
  if (major === binaries.majorVersion) return;
  throw new EmbeddedPostgresError(
    `${pgdata} was made by PostgreSQL ${major}, the binaries are ${binaries.version}`,
    {
      mend: `Install the binaries of ${major} again to dump its data, or delete the folder to start empty.`,
    },
  );
}

/** Drafts of processes that were killed in the middle of initdb. */
async function removeAbandonedDrafts(pgdata: string): Promise<void> {
  const parent = dirname(pgdata);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${basename(pgdata)}.draft-`)) continue;
    const path = join(parent, name);
    const touched = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
    if (systemClock.nowMs() - touched > ABANDONED_AFTER_MS)
      await rm(path, { recursive: true, force: true });
  }
}
