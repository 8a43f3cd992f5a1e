// `npm start`: installs and builds what is missing, then becomes the app. The app runs in this very process: signals reach it
// directly, and nothing can outlive the command.
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { command, ensureBuilt, ensureInstalled, root } from './steps.mjs';

await command(async () => {
  await ensureInstalled();
  await ensureBuilt();
  process.chdir(root);
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(path.join(root, 'dist/main.js')).href);
});
