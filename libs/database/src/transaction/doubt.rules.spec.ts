// What a COMMIT without an answer may be taken for: never for committed or rolled back without proof.
import { describe, expect, it } from '@jest/globals';
import type { CommitProof, HistoryPlace } from './commit-proof.js';
import { judgeDoubt } from './doubt.rules.js';
import type { DoubtSight, Verdict } from './doubt.rules.js';

const HERE: HistoryPlace = { systemId: '7', timeline: 1, incarnation: 'a' };
const PROOF: CommitProof = { xid: '755', backendPid: 42, place: HERE, token: undefined };

const SAME = HERE;
const RESTARTED = { ...HERE, incarnation: 'b' };
const PROMOTED = { ...HERE, timeline: 2, incarnation: 'c' };
const OTHER = { ...HERE, systemId: '8' };

type Row = readonly [HistoryPlace, DoubtSight['status'], boolean | undefined, Verdict];

const ROWS: readonly Row[] = [
  // The same life of the same server: the id decides.
  [SAME, 'committed', undefined, 'committed'],
  [SAME, 'aborted', undefined, 'rolled-back'],
  [SAME, 'in progress', undefined, 'in-progress'],
  [SAME, 'in progress', false, 'in-progress'],
  [SAME, 'unassigned', undefined, 'unknown'],
  [SAME, 'forgotten', undefined, 'unknown'],
  [SAME, 'forgotten', false, 'rolled-back'],
  [SAME, 'forgotten', true, 'committed'],
  // After a crash the id may be another transaction's, so `committed` proves nothing; all else does.
  [RESTARTED, 'committed', undefined, 'unknown'],
  [RESTARTED, 'committed', false, 'rolled-back'],
  [RESTARTED, 'committed', true, 'committed'],
  [RESTARTED, 'aborted', undefined, 'rolled-back'],
  [RESTARTED, 'unassigned', undefined, 'rolled-back'],
  [RESTARTED, 'in progress', undefined, 'in-progress'],
  [RESTARTED, 'in progress', false, 'in-progress'],
  [RESTARTED, 'forgotten', undefined, 'unknown'],
  // On another timeline the id means nothing: only the token decides.
  [PROMOTED, undefined, undefined, 'unknown'],
  [PROMOTED, undefined, false, 'rolled-back'],
  [PROMOTED, undefined, true, 'committed'],
  [PROMOTED, 'committed', undefined, 'unknown'],
  // Another cluster knows nothing, whatever it says.
  [OTHER, 'committed', true, 'unknown'],
  [OTHER, 'aborted', false, 'unknown'],
];

describe('a COMMIT without an answer', () => {
  it.each(ROWS)('%j, %s, token %s: %s', (place, status, hasToken, verdict) => {
    expect(judgeDoubt(PROOF, { place, status, hasToken })).toBe(verdict);
  });
});
