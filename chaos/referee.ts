// Compares what the clients were told with what the servers keep. Pure.
import type {
  CallEntry,
  FailEntry,
  JournalEntry,
  OkEntry,
  ReadKind,
  TransferKind,
} from './journal.js';
import { TOTAL_BALANCE } from './ledger.js';

/** A fault as it happened. */
export interface FaultRecord {
  /** What it was, for people. */
  readonly label: string;
  readonly struckAtMs: number;
  /** When service was possible again. */
  readonly healedAtMs: number;
  /** Whether it kept writes from the primary. */
  readonly hitsWrites: boolean;
  /** Whether another server was promoted. */
  readonly isPromotion: boolean;
}

/** All that is known at the end of a run. */
export interface Evidence {
  readonly entries: readonly JournalEntry[];
  /** When the clients began. */
  readonly startedAtMs: number;
  /** How often each transfer is on the primary. */
  readonly booked: ReadonlyMap<string, number>;
  /** Accounts whose balance is not what the transfers have made of it. */
  readonly unbalancedAccounts: readonly string[];
  /** Sessions that the clients have left behind. */
  readonly leakedSessions: readonly string[];
  /** Ends of the clients' process that nobody asked for. */
  readonly crashes: readonly string[];
  /** What was still not over when all had healed and the clients had to end. */
  readonly hangs: readonly string[];
  readonly faults: readonly FaultRecord[];
}

/** The figures of a run, as `--json` prints them. */
export interface Figures {
  /** Transfers that were acknowledged. */
  readonly transfers: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** There more than once. */
  readonly doubled: number;
  /** Acknowledged by `exactlyOnce`, and not there. */
  readonly falseCommitted: number;
  /** Reported as not made, and there. */
  readonly falseFailed: number;
  /** Accounts, or sums of a read, that a transfer was seen in part in. */
  readonly torn: number;
  /** Reported as InDoubtError: allowed. */
  readonly inDoubt: number;
  /** Reads that missed an acknowledged write of their own. */
  readonly stale: number;
  /** Calls that were not settled in time, and clients that did not end. */
  readonly hung: number;
  readonly leakedBackends: number;
  /** Calls that were cancelled, with nobody having cancelled them and no limit having passed. */
  readonly wrongCancels: number;
  /** Errors that nobody caught, and ends of the process. */
  readonly crashed: number;
  /** Faults after which no write succeeded any more. */
  readonly unrecovered: number;
  /** Longest time from the heal of a fault to the next acknowledged write. */
  readonly longestRecoveryMs: number;
  /** The same after promotions alone. */
  readonly longestFailoverMs: number;
}

/** Figures that have to be 0. */
export const MUST_BE_ZERO = [
  'lost',
  'doubled',
  'falseCommitted',
  'falseFailed',
  'torn',
  'stale',
  'hung',
  'leakedBackends',
  'wrongCancels',
  'crashed',
  'unrecovered',
] as const satisfies ReadonlyArray<keyof Figures>;

/** A rule that was broken, and what shows it. */
export interface Violation {
  readonly figure: (typeof MUST_BE_ZERO)[number];
  readonly evidence: string;
}

/** The outcome of a run. */
export interface Verdict {
  readonly figures: Figures;
  readonly violations: readonly Violation[];
  /** How calls ended, by kind: how often each code of an error, and `ok`. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

type Outcome = OkEntry | FailEntry;
type Judgement = Violation['figure'] | undefined;

/** Timers may be early by a little, and limits of the server are rounded. */
const LIMIT_TOLERANCE = 0.9;
const READS: ReadonlySet<TransferKind | ReadKind> = new Set(['own-read', 'sum-read', 'nap']);

/** Judges a run. */
export function judge(evidence: Evidence): Verdict {
  const violations: Violation[] = [];
  const accuse = (figure: Judgement, text: string): void => {
    if (figure !== undefined) violations.push({ figure, evidence: text });
  };
  const calls = evidence.entries.filter((entry) => entry.type === 'call');
  const outcomes = new Map<string, Outcome>();
  for (const entry of evidence.entries) {
    if (entry.type === 'ok' || entry.type === 'fail') outcomes.set(entry.id, entry);
    if (entry.type === 'crash') accuse('crashed', entry.message);
  }
  for (const call of calls) {
    const outcome = outcomes.get(call.id);
    const times = evidence.booked.get(call.id) ?? 0;
    const text = describeCall(call, outcome, times, evidence.startedAtMs);
    accuse(judgeTime(call, outcome), text);
    accuse(judgeCancel(call, outcome), text);
    accuse(
      READS.has(call.kind) ? judgeRead(call, outcome) : judgeTransfer(call, outcome, times),
      text,
    );
  }
  for (const crash of evidence.crashes) accuse('crashed', crash);
  for (const hang of evidence.hangs) accuse('hung', hang);
  for (const account of evidence.unbalancedAccounts) accuse('torn', account);
  for (const session of evidence.leakedSessions) accuse('leakedBackends', session);

  const acknowledged = calls
    .filter(({ id, kind }) => !READS.has(kind) && outcomes.get(id)?.type === 'ok')
    .map(({ id }) => outcomes.get(id)?.atMs ?? 0)
    .toSorted((a, b) => a - b);
  const recoveries = recoveriesOf(evidence.faults, acknowledged);
  for (const { fault, tookMs } of recoveries) {
    if (tookMs === undefined) accuse('unrecovered', `no write succeeded after ${fault.label}`);
  }
  return {
    figures: countFigures(violations, outcomes, acknowledged.length, recoveries),
    violations,
    outcomes: countOutcomes(calls, outcomes),
  };
}

/** What a transfer was said to be, beside what it is. */
function judgeTransfer(call: CallEntry, outcome: Outcome | undefined, times: number): Judgement {
  if (times > 1) return 'doubled';
  if (outcome?.type === 'ok' && times === 0) {
    return call.kind.startsWith('exactly-once') ? 'falseCommitted' : 'lost';
  }
  if (outcome?.type === 'fail' && times === 1 && saysNotMade(call, outcome)) return 'falseFailed';
  return undefined;
}

/**
 * Whether a failure promises that nothing was changed. That of a transaction does, whatever it is, unless it is
 * InDoubtError: before COMMIT is sent the server rolls back, and COMMIT is never cancelled. A statement in
 * autocommit has no such line between its work and its end: there it is true of a statement that was never sent,
 * and of one that the server refused.
 */
function saysNotMade(call: CallEntry, { code, sqlState, safeToRetry }: FailEntry): boolean {
  if (call.kind !== 'statement') return code !== 'DB_IN_DOUBT';
  return safeToRetry || (sqlState !== undefined && /^(2|40[^0]|400(?!03)|42|55)/.test(sqlState));
}

function judgeRead(call: CallEntry, outcome: Outcome | undefined): Judgement {
  if (outcome?.type !== 'ok') return undefined;
  if (call.kind === 'own-read' && (outcome.found ?? 0) < 1) return 'stale';
  if (call.kind === 'sum-read' && outcome.found !== TOTAL_BALANCE) return 'torn';
  return undefined;
}

function judgeTime(call: CallEntry, outcome: Outcome | undefined): Judgement {
  // Without an outcome it is among the hangs, or the process has crashed.
  if (outcome === undefined) return undefined;
  return outcome.atMs - call.atMs > call.boundMs ? 'hung' : undefined;
}

function judgeCancel(call: CallEntry, outcome: Outcome | undefined): Judgement {
  if (outcome?.type !== 'fail' || outcome.aborted) return undefined;
  if (outcome.code === 'DB_QUERY_ABORTED') return 'wrongCancels';
  const isOfTime = outcome.code === 'DB_QUERY_TIMEOUT' || outcome.sqlState === '57014';
  const isEarly = outcome.atMs - call.atMs < call.limitMs * LIMIT_TOLERANCE;
  return isOfTime && isEarly ? 'wrongCancels' : undefined;
}

interface Recovery {
  readonly fault: FaultRecord;
  readonly tookMs: number | undefined;
}

function recoveriesOf(faults: readonly FaultRecord[], acknowledged: readonly number[]): Recovery[] {
  return faults
    .filter(({ hitsWrites }) => hitsWrites)
    .map((fault) => {
      const next = acknowledged.find((atMs) => atMs >= fault.healedAtMs);
      return { fault, tookMs: next === undefined ? undefined : next - fault.healedAtMs };
    });
}

function countFigures(
  violations: readonly Violation[],
  outcomes: ReadonlyMap<string, Outcome>,
  transfers: number,
  recoveries: readonly Recovery[],
): Figures {
  const zeros = Object.fromEntries(MUST_BE_ZERO.map((figure) => [figure, 0]));
  const counts = zeros as Record<Violation['figure'], number>;
  for (const { figure } of violations) counts[figure]++;
  const isInDoubt = (outcome: Outcome): boolean =>
    outcome.type === 'fail' && outcome.code === 'DB_IN_DOUBT';
  const longest = (some: readonly Recovery[]): number =>
    Math.round(Math.max(0, ...some.map(({ tookMs }) => tookMs ?? 0)));
  return {
    transfers,
    ...counts,
    inDoubt: [...outcomes.values()].filter(isInDoubt).length,
    longestRecoveryMs: longest(recoveries),
    longestFailoverMs: longest(recoveries.filter(({ fault }) => fault.isPromotion)),
  };
}

function countOutcomes(
  calls: readonly CallEntry[],
  outcomes: ReadonlyMap<string, Outcome>,
): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const { id, kind } of calls) {
    const outcome = outcomes.get(id);
    const end =
      outcome?.type === 'fail' ? (outcome.code ?? outcome.name) : (outcome?.type ?? 'none');
    const ends = (counts[kind] ??= {});
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return counts;
}

function describeCall(
  call: CallEntry,
  outcome: Outcome | undefined,
  times: number,
  startedAtMs: number,
): string {
  const about = `${call.kind} ${call.id}${call.of === undefined ? '' : ` of ${call.of} by ${call.by}`}`;
  const begun = `begun at ${((call.atMs - startedAtMs) / 1_000).toFixed(3)} s`;
  if (outcome === undefined) return `${about}, ${begun}: never settled; booked ${times} times`;
  const took = `settled after ${Math.round(outcome.atMs - call.atMs)} ms`;
  const end =
    outcome.type === 'ok'
      ? `acknowledged${outcome.found === undefined ? '' : `, found ${outcome.found}`}`
      : `${outcome.name} (${outcome.code ?? 'no code'}, SQLSTATE ${outcome.sqlState ?? 'none'}): ${outcome.message}`;
  return `${about}, ${begun}, ${took}, booked ${times} times: ${end}`;
}
