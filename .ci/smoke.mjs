// Starts the reference app as its user does (`npm start`, nothing configured), asks it over HTTP, stops it with SIGTERM and
// looks for anything it left running. Linux only: processes are read from /proc.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const marker = `SMOKE_RUN=${randomUUID()}`;
const [markerName, markerValue] = marker.split('=');

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const readProc = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
};

/** Every live process: its parent, its start time (a pid may be reused) and its command line. */
function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      const fields = readProc(pid, 'stat')
        .replace(/^.*\) /s, '')
        .split(' ');
      const line = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
      return { pid, state: fields[0], parent: fields[1], born: fields[19], line };
    })
    .filter(({ state }) => state && state !== 'Z');
}

/** The processes below `pid`, and those that carry the marker of this run. */
function familyOf(pid) {
  const all = processes();
  const family = new Set([String(pid)]);
  for (let before = 0; before < family.size;) {
    before = family.size;
    for (const each of all) if (family.has(each.parent)) family.add(each.pid);
  }
  return all.filter(
    (each) => family.has(each.pid) || readProc(each.pid, 'environ').includes(marker),
  );
}

async function until(condition, title, timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (await condition().catch(() => false)) return;
    await delay(100);
  }
  throw new Error(`${title}: not within ${timeoutMs / 1000} s`);
}

const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const startedAt = performance.now();
const app = spawn('npm', ['start'], {
  env: { ...process.env, PORT: String(port), [markerName]: markerValue },
  stdio: ['ignore', 'pipe', 'pipe'],
});
let output = '';
for (const stream of [app.stdout, app.stderr]) stream.on('data', (chunk) => (output += chunk));
const ended = new Promise((resolve) => app.once('exit', (code, signal) => resolve(signal ?? code)));
let family = [];
let isOver = false;
void ended.then(() => (isOver = true));

try {
  const ask = (route) => fetch(base + route, { signal: AbortSignal.timeout(10_000) });
  const isReady = async () => isOver || (await ask('/health/ready')).ok;
  await until(isReady, 'the app is ready', 120_000);
  assert.ok(!isOver, 'npm start ended before the app was ready');
  console.log(`ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);

  for (const route of process.argv.slice(2)) {
    const answer = await ask(route);
    const body = await answer.text();
    assert.equal(
      answer.status,
      200,
      `GET ${route} answered ${answer.status}: ${body.slice(0, 500)}`,
    );
    assert.ok(body.length > 0, `GET ${route} answered nothing`);
    console.log(`GET ${route}: 200, ${body.length} bytes`);
  }

  family = familyOf(app.pid);
  app.kill('SIGTERM');
  const ending = await Promise.race([ended, delay(30_000, 'timeout', { ref: false })]);
  assert.notEqual(ending, 'timeout', 'SIGTERM did not end the app within 30 s');
  const left = () => [
    ...processes().filter((each) =>
      family.some(({ pid, born }) => pid === each.pid && born === each.born),
    ),
    ...familyOf(app.pid),
  ];
  await until(async () => left().length === 0, 'everything is gone after SIGTERM', 30_000).catch(
    (error) =>
      assert.fail(
        `${error.message}:\n${left()
          .map(({ pid, line }) => `${pid} ${line}`)
          .join('\n')}`,
      ),
  );
  console.log(`SIGTERM: npm ended with ${ending}, ${family.length} processes gone`);
} catch (error) {
  console.error(`${error.message}\n--- the app's output\n${output.slice(-5_000)}`);
  process.exitCode = 1;
  for (const { pid } of familyOf(app.pid)) process.kill(Number(pid), 'SIGKILL');
}
