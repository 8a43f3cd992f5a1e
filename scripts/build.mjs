// `npm run build`: the library (ESM and CommonJS) and the reference app, from scratch.
import { command, ensureBuilt, ensureInstalled } from './steps.mjs';

await command(async () => {
  await ensureInstalled();
  await ensureBuilt({ fromScratch: true });
});
