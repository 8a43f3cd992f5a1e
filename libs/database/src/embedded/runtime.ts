// Makes the binaries of the platform package runnable: a linked copy with the library symlinks that npm drops.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  lstat,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { makeFolder } from './data-dir.js';
import { EmbeddedPostgresError } from './embedded.errors.js';
import type { PlatformPackage } from './platform-package.js';

const READABLE_BY_ALL = 0o444;

/**
 * Lays the package out below `runtimeDir` and returns its `bin`. The copy cures three things at once: npm 11
 * runs no install scripts (the symlinks are missing), node_modules may be closed to the server's
 * user, and an update of the package must not pull a running server's files away. Hard links make it free.
 */
export async function prepareRuntime(pkg: PlatformPackage, runtimeDir: string): Promise<string> {
  const target = join(runtimeDir, `${basename(pkg.name)}-${pkg.version}`);
  if (existsSync(target)) return join(target, 'bin');
  const draft = join(runtimeDir, `.draft-${randomUUID()}`);
  try {
    await layOut(pkg.nativeDir, draft);
    await linkLibraries(pkg.nativeDir, draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process was faster: its copy is as good as ours.
    if (!existsSync(target)) {
      throw new EmbeddedPostgresError(`The PostgreSQL binaries could not be copied to ${target}`, {
        mend: 'Look at the free space and the mode of that folder, or pass another dataDir.',
        cause: error,
      });
    }
  }
  return join(target, 'bin');
}

async function layOut(from: string, to: string): Promise<void> {
  await makeFolder(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    if (entry.isDirectory()) await layOut(source, join(to, entry.name));
    else if (entry.isFile()) await linkOrCopy(source, join(to, entry.name));
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  const { mode } = await stat(source);
  if ((mode & READABLE_BY_ALL) === READABLE_BY_ALL) {
    try {
      return await link(source, target);
    } catch {
      // Another file system, or links to foreign files are forbidden: copy.
    }
  }
  await copyFile(source, target);
  await chmod(target, (mode & 0o100) === 0 ? 0o644 : 0o755);
}

async function linkLibraries(nativeDir: string, target: string): Promise<void> {
  const list = join(nativeDir, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target: name } of links) {
    const path = join(target, relative('native', name));
    if ((await lstat(path).catch(() => undefined)) !== undefined) continue;
    await symlink(relative(dirname(path), join(target, relative('native', source))), path);
  }
}
