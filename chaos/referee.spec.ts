// What the referee makes of a journal and of the books.
import { describe, expect, it } from '@jest/globals';
import type { CallEntry, FailEntry, JournalEntry, OkEntry } from './journal.js';
import { TOTAL_BALANCE } from './ledger.js';
import { judge, MUST_BE_ZERO } from './referee.js';
import type { Evidence, FaultRecord, Figures } from './referee.js';

const call = (kind: CallEntry['kind'], id = 't1', facts: Partial<CallEntry> = {}): CallEntry => ({
  ...{ type: 'call', id, kind, atMs: 1_000, boundMs: 10_000, limitMs: 2_000 },
  ...facts,
});
const ok = (id = 't1', facts: Partial<OkEntry> = {}): OkEntry => ({
  ...{ type: 'ok', id, atMs: 1_010 },
  ...facts,
});
const fail = (code: string, facts: Partial<FailEntry> = {}): FailEntry => ({
  ...{ type: 'fail', id: 't1', atMs: 1_010, name: 'Error', code, sqlState: undefined },
  ...{ safeToRetry: false, aborted: false, message: 'it failed' },
  ...facts,
});
const fault = (facts: Partial<FaultRecord> = {}): FaultRecord => ({
  ...{ label: 'kill of the primary', struckAtMs: 500, healedAtMs: 1_000 },
  ...{ hitsWrites: true, isPromotion: false },
  ...facts,
});

function judged(
  entries: readonly JournalEntry[],
  booked: Readonly<Record<string, number>> = {},
  facts: Partial<Evidence> = {},
) {
  return judge({
    ...{
      unbalancedAccounts: [],
      leakedSessions: [],
      crashes: [],
      hangs: [],
      faults: [],
      startedAtMs: 0,
    },
    ...facts,
    entries,
    booked: new Map(Object.entries(booked)),
  });
}

/** The figures that are broken. */
function broken({ figures }: { readonly figures: Figures }): Partial<Figures> {
  return Object.fromEntries(
    MUST_BE_ZERO.flatMap((name) => (figures[name] ? [[name, figures[name]]] : [])),
  );
}

describe('a transfer', () => {
  it.each([
    ['that was acknowledged and is there', 'plain', ok(), 1, {}],
    ['that was acknowledged and is not there', 'plain', ok(), 0, { lost: 1 }],
    ['that was acknowledged and is there twice', 'retried', ok(), 2, { doubled: 1 }],
    ['of exactly-once that is not there', 'exactly-once', ok(), 0, { falseCommitted: 1 }],
    ['in doubt that is there', 'plain', fail('DB_IN_DOUBT'), 1, {}],
    ['in doubt that is not there', 'plain', fail('DB_IN_DOUBT'), 0, {}],
    ['in doubt that is there twice', 'plain', fail('DB_IN_DOUBT'), 2, { doubled: 1 }],
    ['that failed and is not there', 'plain', fail('DB_CONNECTION'), 0, {}],
    ['that failed and is there', 'plain', fail('DB_CONNECTION'), 1, { falseFailed: 1 }],
    ['whose callback failed and that is there', 'plain', fail('DB_USAGE'), 1, { falseFailed: 1 }],
    ['by a statement that was cut off and is there', 'statement', fail('DB_CONNECTION'), 1, {}],
    [
      'by a statement that was not sent and is there',
      'statement',
      fail('DB_CONNECTION', { safeToRetry: true }),
      1,
      { falseFailed: 1 },
    ],
    [
      'by a statement that was refused and is there',
      'statement',
      fail('DB_DEADLOCK', { sqlState: '40P01' }),
      1,
      { falseFailed: 1 },
    ],
    [
      'by a statement whose completion is unknown',
      'statement',
      fail('DB_QUERY', { sqlState: '40003' }),
      1,
      {},
    ],
  ] as const)('%s', (_, kind, outcome, times, expected) => {
    expect(broken(judged([call(kind), outcome], times === 0 ? {} : { t1: times }))).toEqual(
      expected,
    );
  });

  it('counts when it was acknowledged, and beside it what is in doubt', () => {
    const entries = [call('plain'), ok(), call('plain', 't2'), fail('DB_IN_DOUBT', { id: 't2' })];
    expect(judged(entries, { t1: 1 }).figures).toMatchObject({ transfers: 1, inDoubt: 1 });
  });

  it('that was made in part shows in the balances', () => {
    const facts = { unbalancedAccounts: ['account 1 holds 5, its transfers make 6'] };
    expect(broken(judged([], {}, facts))).toEqual({ torn: 1 });
  });
});

describe('a read', () => {
  it.each([
    ['that finds its own write', call('own-read', 'r1', { of: 't1' }), { found: 1 }, {}],
    ['that misses it', call('own-read', 'r1', { of: 't1' }), { found: 0 }, { stale: 1 }],
    ['of the whole sum', call('sum-read', 'r1'), { found: TOTAL_BALANCE }, {}],
    ['of half a transfer', call('sum-read', 'r1'), { found: TOTAL_BALANCE - 7 }, { torn: 1 }],
  ])('%s', (_, entry, found, expected) => {
    expect(broken(judged([entry, ok('r1', found)]))).toEqual(expected);
  });

  it('that fails is not stale', () => {
    expect(broken(judged([call('own-read'), fail('DB_CIRCUIT_OPEN')]))).toEqual({});
  });
});

describe('time', () => {
  it('is up for a call that was settled after its bound', () => {
    const late = fail('DB_IN_DOUBT', { atMs: 11_001 });
    expect(broken(judged([call('plain'), late]))).toEqual({ hung: 1 });
    expect(broken(judged([call('plain'), { ...late, atMs: 11_000 }]))).toEqual({});
  });

  it('counts what was still not over at the end', () => {
    const facts = { hangs: ['t1 was not settled'], leakedSessions: ['backend 1'] };
    expect(broken(judged([call('plain')], {}, facts))).toEqual({ hung: 1, leakedBackends: 1 });
  });
});

describe('a cancel', () => {
  it.each([
    ['by the caller', fail('DB_QUERY_ABORTED', { aborted: true }), {}],
    ['by nobody', fail('DB_QUERY_ABORTED'), { wrongCancels: 1 }],
    ['by a limit that had passed', fail('DB_QUERY_TIMEOUT', { atMs: 3_000 }), {}],
    ['by a limit that had not passed', fail('DB_QUERY_TIMEOUT'), { wrongCancels: 1 }],
    ['by a 57014 of nobody', fail('DB_QUERY', { sqlState: '57014' }), { wrongCancels: 1 }],
  ])('%s', (_, outcome, expected) => {
    expect(broken(judged([call('retried'), outcome]))).toEqual(expected);
  });
});

it('counts errors that nobody caught, and ends of the process', () => {
  const crash: JournalEntry = { type: 'crash', atMs: 1, message: 'unhandledRejection: x' };
  expect(broken(judged([crash], {}, { crashes: ['code 1'] }))).toEqual({ crashed: 2 });
});

describe('recovery', () => {
  const writes = [
    call('plain'),
    ok('t1', { atMs: 1_400 }),
    call('plain', 't2'),
    ok('t2', { atMs: 3_000 }),
  ];
  const booked = { t1: 1, t2: 1 };

  it('lasts from the heal to the next acknowledged write, the longest counts', () => {
    const faults = [
      fault(),
      fault({ healedAtMs: 2_900 }),
      fault({ healedAtMs: 2_300, isPromotion: true }),
    ];
    expect(judged(writes, booked, { faults }).figures).toMatchObject({
      longestRecoveryMs: 700,
      longestFailoverMs: 700,
    });
    expect(judged(writes, booked, { faults: faults.slice(0, 2) }).figures).toMatchObject({
      longestRecoveryMs: 400,
      longestFailoverMs: 0,
    });
  });

  it('is not asked of a fault that left the primary alone', () => {
    const faults = [fault({ hitsWrites: false })];
    expect(judged(writes, booked, { faults }).figures.longestRecoveryMs).toBe(0);
  });

  it('that never comes is told', () => {
    const verdict = judged(writes, booked, { faults: [fault({ healedAtMs: 3_001 })] });
    expect(broken(verdict)).toEqual({ unrecovered: 1 });
    expect(verdict.violations[0]?.evidence).toContain('kill of the primary');
  });
});
