// Data folders that a suite may do anything to, deleted after it.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { isPostmasterOf, readPostmasterFile } from '../../libs/database/src/embedded/postmaster.js';
import { makeRunDir } from '../support/test-binaries.js';
import { waitFor } from '../support/wait-for.js';

/** Returns a function that names a new folder, which the server's user could enter. */
export function useDataFolders(): () => string {
  let run = '';
  let count = 0;
  beforeAll(async () => {
    run = await makeRunDir();
  });
  afterAll(async () => {
    // A server ends after the process that it belonged to, and writes its statistics until then.
    for (const entry of await readdir(run, { withFileTypes: true })) {
      if (entry.isDirectory()) await serverEnds(join(run, entry.name));
    }
    await rm(run, { recursive: true, force: true });
  });
  return () => join(run, `data${++count}`);
}

/** Waits until no server runs on a data folder; one that nobody ends is a failure. */
export async function serverEnds(folder: string): Promise<void> {
  const pgdata = join(folder, 'pgdata');
  await waitFor(
    async () => {
      const file = await readPostmasterFile(pgdata);
      return file === undefined || !(await isPostmasterOf(file.pid, pgdata));
    },
    { describe: `the server on ${folder} to end` },
  );
}
