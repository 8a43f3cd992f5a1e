// Runs before `npm pack` and `npm publish` of the library: builds it and lays the README and the licence beside it.
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { command, ensureBuilt, root } from './steps.mjs';

await command(async () => {
  await ensureBuilt();
  for (const file of ['README.md', 'LICENSE']) {
    await cp(path.join(root, file), path.join(root, 'libs/database', file));
  }
});
