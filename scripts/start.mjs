// `npm start`: installs and builds what is missing, then becomes the app (or another program of dist, named as the argument). It
// runs in this very process: signals reach it directly, and nothing can outlive the command.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { command, ensureBuilt, ensureInstalled, root } from './steps.mjs';

const program = process.argv[2] ?? 'main.js';

await command(async () => {
  await ensureInstalled();
  await ensureBuilt();
  process.chdir(root);
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(path.join(root, 'dist', program)).href);
});
