/**
 * `npm run chaos -- --seed N --seconds S [--json]`: the library on a real primary and replica, while the faults of
 * a seeded schedule strike. Ends with 0 when every promise was kept, 1 when one was broken, 2 when the run itself
 * failed. What is promised, and what is not: docs/reliability.md.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { judge, MUST_BE_ZERO } from './referee.js';
import type { Verdict } from './referee.js';
import { runChaos } from './run.js';

const MAX_EVIDENCE = 20;

/** @throws naming the argument and its rule. */
function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new Error(`--${name} ${text}: must be a whole number from 0 to ${max}.`);
}

function report(seed: number, seconds: number, verdict: Verdict): void {
  const { figures, violations, outcomes } = verdict;
  for (const [kind, ends] of Object.entries(outcomes)) {
    const counts = Object.entries(ends).map(([end, count]) => `${end} ${count}`);
    console.log(`${kind.padEnd(13)} ${counts.join(', ')}`);
  }
  for (const { figure, evidence } of violations.slice(0, MAX_EVIDENCE)) {
    console.log(`${figure}: ${evidence}`);
  }
  const hidden = violations.length - MAX_EVIDENCE;
  if (hidden > 0) console.log(`... and ${hidden} more`);
  for (const [name, value] of Object.entries(figures)) {
    const isBroken = (MUST_BE_ZERO as readonly string[]).includes(name) && value > 0;
    console.log(`${name.padEnd(18)} ${String(value).padStart(7)}${isBroken ? '  must be 0' : ''}`);
  }
  const words = violations.length === 0 ? 'every promise was kept' : 'PROMISES WERE BROKEN';
  console.log(`${words}; the same again: npm run chaos -- --seed ${seed} --seconds ${seconds}`);
}

/** @throws naming what cannot be understood. */
function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seconds: { type: 'string', default: '30' },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    seed: wholeNumber('seed', values.seed ?? String(randomInt(2 ** 31)), 2 ** 32 - 1),
    seconds: wholeNumber('seconds', values.seconds, 86_400),
    json: values.json,
  };
}

async function main(signal: AbortSignal): Promise<number> {
  const { seed, seconds, json } = readArguments();
  const tell = (line: string): void => console.log(line);
  tell(`seed ${seed}, ${seconds} s`);
  const dir = await mkdtemp(join(tmpdir(), 'chaos-'));
  const journalPath = join(dir, 'journal.jsonl');
  let isKept = false;
  try {
    const verdict = judge(await runChaos({ seed, seconds, journalPath, signal, tell }));
    report(seed, seconds, verdict);
    isKept = verdict.violations.length > 0;
    if (isKept) tell(`a line of each call is in ${journalPath}`);
    if (json) tell(JSON.stringify({ seed, ...verdict.figures }));
    return isKept ? 1 : 0;
  } finally {
    if (!isKept) await rm(dir, { recursive: true, force: true });
  }
}

const stopped = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stopped.abort(new Error(`stopped by ${name}`)));
}
try {
  process.exitCode = await main(stopped.signal);
} catch (error) {
  console.error(stopped.signal.aborted ? 'stopped before the end: no verdict' : error);
  process.exitCode = 2;
}
