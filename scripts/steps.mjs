// Shared by the commands: one progress line per step, failures with a cause and a mend, child processes that never outlive us.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..');
const at = (...parts) => path.join(root, ...parts);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`✗ Node ${process.versions.node} is too old\n  mend: install Node 20.19 or newer`);
  process.exit(1);
}

/** A failure the user can act on: what happened, and what to do about it. */
export class StepFailed extends Error {
  constructor(cause, mend) {
    super(cause);
    this.mend = mend;
  }
}

/** Runs a command's main function; prints cause and mend when it fails, a stack only for our own mistakes. */
export async function command(main) {
  stopWithParent();
  try {
    await main();
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    console.error(`\n✗ ${error.message}\n  mend: ${error.mend}`);
    process.exitCode = 1;
  }
}

/**
 * npm runs us through a shell that dies of SIGTERM without passing it on. A parent that is gone therefore means: stop as if
 * the signal had come here. Only under npm, so that a command started with `nohup node ...` lives on.
 */
function stopWithParent() {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 200);
  watch.unref();
}

/** Shows one line with a running clock on a terminal, a start and an end line elsewhere. */
async function step(title, work) {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  const isTerminal = process.stdout.isTTY === true;
  const show = () => process.stdout.write(`\r\u001b[K… ${title} (${seconds()})`);
  const clock = isTerminal ? setInterval(show, 250) : undefined;
  if (isTerminal) show();
  else console.log(`… ${title}`);
  try {
    await work();
    process.stdout.write(`${isTerminal ? '\r\u001b[K' : ''}✓ ${title} (${seconds()})\n`);
  } catch (error) {
    if (isTerminal) process.stdout.write('\n');
    throw error;
  } finally {
    clearInterval(clock);
  }
}

/**
 * Runs a Node program silently and rejects with its last lines of output. It gets its own process group where the system
 * has them, so that an interrupted command stops the whole tree below it.
 */
function runNode(args, explain) {
  const hasGroups = process.platform !== 'win32';
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: hasGroups,
    });
    let output = '';
    const collect = (chunk) => (output = (output + chunk).slice(-20_000));
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    let interruption;
    // An interrupted npm puts things back before it ends: wait for it, then end as the signal asked.
    const stop = (signal) => {
      if (interruption === undefined)
        hasGroups ? process.kill(-child.pid, 'SIGTERM') : child.kill();
      interruption = signal;
    };
    const settle = (act) => {
      signals.forEach((signal) => process.off(signal, stop));
      if (interruption) process.exit(128 + constants.signals[interruption]);
      act();
    };
    signals.forEach((signal) => process.on(signal, stop));
    child.once('error', (error) => settle(() => reject(error)));
    child.once('close', (code) => {
      if (code === 0) return settle(resolve);
      const tail = output.trim().split('\n').slice(-25).join('\n');
      const [cause, mend] = explain(output, code);
      settle(() => reject(new StepFailed(`${cause}\n${tail.replace(/^/gm, '  | ')}`, mend)));
    });
  });
}

const npmFailures = [
  [
    /EUSAGE|in sync/,
    'package.json and package-lock.json disagree',
    'run `npm install` once and keep the new lockfile',
  ],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network/,
    'the package registry could not be reached',
    'check the network, the proxy and `npm config get registry`, then run the command again',
  ],
  [
    /ENOSPC/,
    'the disk is full',
    'free some space (about 500 MB are needed), then run the command again',
  ],
  [
    /EACCES|EPERM/,
    'a file could not be written',
    'the folder, node_modules or the npm cache belongs to another user: remove node_modules or give it to this user',
  ],
];

function explainNpm(output, code) {
  const known = npmFailures.find(([pattern]) => pattern.test(output));
  return known
    ? [`Installing failed: ${known[1]}`, known[2]]
    : [
        `Installing failed: npm ended with code ${code}`,
        'read its last lines above; `npm ci` shows all of them',
      ];
}

const readLock = (file) =>
  existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;

/** True when node_modules holds what the lockfile asks for; packages for other platforms may be absent. */
function isInstalled() {
  const wanted = readLock(at('package-lock.json'));
  const present = readLock(at('node_modules', '.package-lock.json'));
  if (!wanted)
    throw new StepFailed(
      'package-lock.json is missing',
      'restore it: `git checkout package-lock.json`',
    );
  if (!present) return false;
  return Object.entries(wanted).every(([folder, entry]) => {
    if (!folder.includes('node_modules/')) return true;
    const found = present[folder];
    return found ? found.version === entry.version : entry.optional === true;
  });
}

function npmProgram() {
  const beside = path.join(
    path.dirname(process.execPath),
    '../lib/node_modules/npm/bin/npm-cli.js',
  );
  const onWindows = path.join(path.dirname(process.execPath), 'node_modules/npm/bin/npm-cli.js');
  const program = [process.env.npm_execpath, beside, onWindows].find(
    (file) => file?.endsWith('npm-cli.js') && existsSync(file),
  );
  if (program) return program;
  throw new StepFailed(
    'npm was not found',
    'start this command through npm (`npm start`, `npm test`, `npm run build`)',
  );
}

/** Installs the locked dependencies when node_modules does not hold them. */
export async function ensureInstalled() {
  if (isInstalled()) return;
  await step('installing dependencies', () =>
    runNode([npmProgram(), 'ci', '--no-audit', '--no-fund', '--loglevel=error'], explainNpm),
  );
}

function newestChangeMs(entry) {
  const stats = statSync(entry);
  if (!stats.isDirectory()) return stats.mtimeMs;
  const inside = readdirSync(entry).map((name) => newestChangeMs(path.join(entry, name)));
  return Math.max(stats.mtimeMs, ...inside);
}

const compiler = 'node_modules/typescript/bin/tsc';
const products = [
  {
    title: 'building the library',
    sources: [
      'tsconfig.json',
      'libs/database/package.json',
      'libs/database/tsconfig.lib.json',
      'libs/database/src',
    ],
    out: 'libs/database/dist',
    async build() {
      await runNode([compiler, '-p', 'libs/database/tsconfig.lib.json'], explainBuild);
      await runNode([compiler, '-p', 'libs/database/tsconfig.cjs.json'], explainBuild);
      writeFileSync(at('libs/database/dist/cjs/package.json'), '{ "type": "commonjs" }\n');
    },
  },
  {
    title: 'building the app',
    sources: ['tsconfig.json', 'tsconfig.build.json', 'nest-cli.json', 'src'],
    out: 'dist',
    build: () => runNode(['node_modules/@nestjs/cli/bin/nest.js', 'build'], explainBuild),
  },
];

const explainBuild = () => [
  'The build failed',
  'correct the errors above, then run the command again',
];

/** Builds what is older than its sources. The stamp is written last, so an interrupted build counts as none. */
export async function ensureBuilt({ fromScratch = false } = {}) {
  let isDependencyNew = fromScratch;
  for (const { title, sources, out, build } of products) {
    const stamp = at(out, '.built');
    const newestMs = Math.max(...sources.map((source) => newestChangeMs(at(source))));
    if (!isDependencyNew && existsSync(stamp) && statSync(stamp).mtimeMs > newestMs) continue;
    isDependencyNew = true;
    await rm(at(out), { recursive: true, force: true });
    await step(title, build);
    writeFileSync(stamp, '');
  }
}
