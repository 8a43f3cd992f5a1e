// Where the embedded server keeps everything of its own, and who may enter it.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, chmod, constants, mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { EmbeddedPostgresError, errnoOf } from './embedded.errors.js';
import { isRoot, type ServerUser } from './server-user.js';

/** The files of one embedded server. Deleting `root` deletes all of it. */
export interface DataDir {
  readonly root: string;
  /** PostgreSQL's own data directory. */
  readonly pgdata: string;
  /** The superuser's password: readable by the owner of this process alone. */
  readonly passwordFile: string;
  readonly settingsFile: string;
  readonly logFile: string;
  readonly runtimeDir: string;
}

/** Names the files below a root. */
export function dataDirAt(root: string): DataDir {
  return {
    root,
    pgdata: join(root, 'pgdata'),
    passwordFile: join(root, 'password'),
    settingsFile: join(root, 'settings.conf'),
    logFile: join(root, 'server.log'),
    runtimeDir: join(root, 'runtime'),
  };
}

/** The nearest folder with a package.json at or above `from`; `from` itself when there is none. */
export function findProjectDir(from: string = process.cwd()): string {
  for (let dir = resolve(from); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json'))) return dir;
    if (dir === dirname(dir)) return resolve(from);
  }
}

/**
 * The folder for our files of one project: `.nestjs-database` in the project, where its user finds
 * and deletes it. Root's is below `/var/lib` instead: PostgreSQL refuses root, and the user who
 * stands in for it may not enter a project below a home of mode 0700.
 */
export function stateDirOf(projectDir: string): string {
  if (!isRoot()) return join(projectDir, '.nestjs-database');
  const id = createHash('sha256').update(projectDir).digest('hex').slice(0, 8);
  return join('/var/lib/nestjs-database', `${basename(projectDir)}-${id}`);
}

/**
 * Creates the folder and proves that we can write it and that the server's user can enter it.
 * @throws EmbeddedPostgresError naming the folder that stands in the way.
 */
export async function prepareDataDir(dir: DataDir, user: ServerUser): Promise<void> {
  try {
    await makeFolder(dir.root, user.uid === undefined ? 0o700 : 0o711);
    await access(dir.root, constants.R_OK | constants.W_OK | constants.X_OK);
    await writeFile(join(dir.root, '.gitignore'), '*\n');
  } catch (error) {
    throw new EmbeddedPostgresError(
      `The data folder ${dir.root} cannot be written (${errnoOf(error) ?? 'unknown'})`,
      {
        mend: 'Look at its owner and mode, or pass a dataDir that this user can write.',
        cause: error,
      },
    );
  }
  if (user.uid !== undefined) await requireReachable(dir.root, user);
}

/** Creates a folder and those above it that are missing, all with this mode, whatever the umask. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, mode);
}

async function requireReachable(path: string, user: ServerUser): Promise<void> {
  const closed = await findClosedFolder(path, user);
  if (closed === undefined) return;
  throw new EmbeddedPostgresError(
    `The server runs as user id ${user.uid}, who may not enter ${closed} on the way to ${path}`,
    { mend: `Choose a dataDir outside of it, or open the way: chmod o+x ${closed}` },
  );
}

async function findClosedFolder(path: string, user: ServerUser): Promise<string | undefined> {
  const parent = dirname(path);
  const above = parent === path ? undefined : await findClosedFolder(parent, user);
  if (above !== undefined) return above;
  const { mode, uid, gid } = await stat(path);
  const enter = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & enter) === 0 ? path : undefined;
}
