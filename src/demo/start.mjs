// `npm run demo`: installs and builds what is missing, then becomes the demo.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { command, ensureBuilt, ensureInstalled, root } from '../../scripts/steps.mjs';

await command(async () => {
  await ensureInstalled();
  await ensureBuilt();
  process.chdir(root);
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(path.join(root, 'dist/demo/main.js')).href);
});
