// The system user that PostgreSQL runs as: ourselves, or a stand-in when we are root, whom it refuses.
import { readFileSync, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EmbeddedPostgresError, errnoOf } from './embedded.errors.js';

/** Whom the server runs as. Spread into the options of `spawn`; both ids are absent when it is ourselves. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** True when this process is root. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Picks the server's user. A data directory that exists decides for its owner, so that a user
 * `postgres` who is installed later does not lock us out of it.
 * @throws EmbeddedPostgresError when the owner cannot be used.
 */
export async function findServerUser(pgdata: string): Promise<ServerUser> {
  const owner = await ownerOf(pgdata);
  const self = process.getuid?.();
  if (self === undefined) return {};
  if (self !== 0) {
    if (owner !== undefined && owner.uid !== self) throw foreignOwner(pgdata, owner.uid, self);
    return {};
  }
  if (owner === undefined) return standIn();
  if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  throw new EmbeddedPostgresError(
    `${pgdata} belongs to root, and PostgreSQL does not run as root`,
    {
      mend: `Give it to another user (chown -R nobody ${pgdata}), or choose another dataDir.`,
    },
  );
}

async function ownerOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new EmbeddedPostgresError(`The folder ${dirname(path)} cannot be entered`, {
      mend: 'Look at its owner and mode, or choose another dataDir.',
      cause: error,
    });
  }
}

function foreignOwner(pgdata: string, owner: number, self: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `${pgdata} belongs to user id ${owner}, but this process runs as ${self}`,
    {
      mend: 'Run as its owner, choose another dataDir, or delete the folder if its data is not needed.',
    },
  );
}

function standIn(): ServerUser {
  const users = new Map<string, ServerUser>();
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name !== undefined && Number(uid) > 0)
      users.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  const found = users.get('postgres') ?? users.get('nobody');
  if (found !== undefined) return found;
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and neither "postgres" nor "nobody" exists',
    {
      mend: 'Create a user (useradd --system postgres), or run as another user than root.',
    },
  );
}
