// One run: servers, clients, faults, and the evidence that they leave.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../test/support/wait-for.js';
import { auditBooks, leftSessions, restingTransactions } from './audit.js';
import { strike } from './faults.js';
import { nowMs, readJournal } from './journal.js';
import { Load } from './load.js';
import type { Evidence, FaultRecord } from './referee.js';
import { planFaults } from './schedule.js';
import type { PlannedFault } from './schedule.js';
import { Servers } from './servers.js';

/** What to run. */
export interface RunOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Where the clients leave a line of each call. */
  readonly journalPath: string;
  /** Ends the run early: everything is stopped. */
  readonly signal: AbortSignal;
  /** Told what happens. */
  readonly tell: (line: string) => void;
}

/** Work without faults before the clients stop, in ms: everything has to find back by then. */
const SETTLE_MS = 3_000;
const DRAIN_MS = 12_000;
const CLOSE_MS = 8_000;
const EXIT_MS = 3_000;

/** Runs the load under the faults of the seed. Stops all that it has started, whatever happens. */
export async function runChaos(options: RunOptions): Promise<Evidence> {
  const { journalPath } = options;
  let servers: Servers | undefined;
  let load: Load | undefined;
  try {
    servers = await Servers.start();
    load = await Load.start({ seed: options.seed, urls: servers.clientUrls(), journalPath });
    options.signal.throwIfAborted();
    const startedAtMs = nowMs();
    const tell = (line: string): void =>
      options.tell(`${((nowMs() - startedAtMs) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
    load.start();
    const faults = await strikeAll({ ...options, tell }, servers, load, startedAtMs);
    tell('all is healed; the clients work on for a while, then end');
    await sleep(SETTLE_MS, undefined, { signal: options.signal });
    const ended = await endLoad(load, servers);
    const books = await auditBooks(servers);
    const entries = readJournal(journalPath);
    return { entries, startedAtMs, faults, ...books, ...ended };
  } finally {
    load?.kill();
    await servers?.stop();
  }
}

/** The faults one after the other, until the time is over or the clients are gone. */
async function strikeAll(
  { seed, seconds, signal, tell }: RunOptions,
  servers: Servers,
  load: Load,
  startedAtMs: number,
): Promise<FaultRecord[]> {
  const endsAtMs = startedAtMs + seconds * 1_000;
  const records: FaultRecord[] = [];
  for (const plan of planFaults(seed, seconds)) {
    if (nowMs() + plan.calmMs + plan.lastsMs > endsAtMs || load.end !== undefined) break;
    await sleep(plan.calmMs, undefined, { signal });
    records.push(await strikeOnce(plan, servers, signal, tell));
  }
  const restMs = endsAtMs - nowMs();
  if (restMs > 0 && load.end === undefined) await sleep(restMs, undefined, { signal });
  return records;
}

async function strikeOnce(
  plan: PlannedFault,
  servers: Servers,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<FaultRecord> {
  const names = servers.at(plan.target).map(({ node }) => node.name);
  const label = `${plan.kind} of the ${plan.target} (${names.join(', ')})`;
  const delay = plan.delayMs > 0 ? `, ${plan.delayMs} ms a piece` : '';
  tell(`${label} for ${plan.lastsMs} ms${delay}`);
  const struckAtMs = nowMs();
  const healing = await strike(servers, plan);
  await sleep(plan.lastsMs, undefined, { signal });
  const healedAtMs = await healing.heal();
  tell(`  healed after ${Math.round(healedAtMs - struckAtMs)} ms`);
  await healing.restore?.();
  return {
    label,
    struckAtMs,
    healedAtMs,
    hitsWrites: plan.target !== 'replica',
    isPromotion: plan.kind === 'promote' || plan.kind === 'switchover',
  };
}

/** Ends the clients as an application ends: work first, then both instances, then the process by itself. */
async function endLoad(load: Load, servers: Servers) {
  const crashes: string[] = [];
  const hangs: string[] = [];
  const leakedSessions: string[] = [];
  if (load.end === undefined) {
    const pending = await load.drain(DRAIN_MS);
    if (pending === undefined)
      hangs.push('the process does not answer: its event loop stands still');
    hangs.push(
      ...(pending ?? []).map((id) => `${id} was not settled ${DRAIN_MS} ms after the last fault`),
    );
    leakedSessions.push(...(await restingTransactions(servers)));
    if (!(await load.close(CLOSE_MS)))
      hangs.push(`the instances did not close within ${CLOSE_MS} ms`);
    else if (!(await load.ends(EXIT_MS))) hangs.push('the process did not end after the close');
  }
  if (load.end !== undefined && load.end !== 'code 0, signal null') {
    crashes.push(`the process ended with ${load.end}:\n${load.errors}`);
  }
  // Of a process that was ended by force the sessions go by themselves: only a clean close is looked at.
  if (load.end === 'code 0, signal null') leakedSessions.push(...(await leftSessions(servers)));
  load.kill();
  await waitFor(() => load.end, { describe: 'the end of the clients' });
  return { crashes, hangs, leakedSessions };
}
