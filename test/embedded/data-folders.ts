// Data folders that a suite may do anything to, deleted after it.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { makeRunDir } from '../support/test-binaries.js';

/** Returns a function that names a new folder, which the server's user could enter. */
export function useDataFolders(): () => string {
  let run = '';
  let count = 0;
  beforeAll(async () => {
    run = await makeRunDir();
  });
  afterAll(() => rm(run, { recursive: true, force: true }));
  return () => join(run, `data${++count}`);
}
