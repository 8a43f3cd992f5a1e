// `npm test [-- jest arguments]`: installs what is missing, then runs Jest in this very process. Needs Node's
// --experimental-vm-modules, which the package script passes.
import { command, ensureInstalled, root } from './steps.mjs';

await command(async () => {
  await ensureInstalled();
  process.chdir(root);
  process.env.NODE_ENV ??= 'test';
  const { run } = await import('jest');
  await run(process.argv.slice(2));
});
