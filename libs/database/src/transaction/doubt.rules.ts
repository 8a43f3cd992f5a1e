// What may be concluded about a COMMIT without an answer. Pure; each line is a claim that must hold under faults.
import type { CommitProof, HistoryPlace } from './commit-proof.js';

/** What the server says of a transaction id. */
export type XidStatus =
  | 'committed'
  | 'aborted'
  | 'in progress'
  /** 22023: the id lies in the future. */
  | 'unassigned'
  /** NULL: so old that its fate is no longer kept. */
  | 'forgotten';

/** What is known of the fate. `unknown` is final: no further question can decide. */
export type Verdict = 'committed' | 'rolled-back' | 'in-progress' | 'unknown';

/** What was seen on the present primary. */
export interface DoubtSight {
  readonly place: HistoryPlace;
  /** Asked on the same backend as `place`; undefined on another timeline, where the id means nothing. */
  readonly status: XidStatus | undefined;
  /** Whether the token's row is visible; undefined without a table. */
  readonly hasToken: boolean | undefined;
}

/** Judges by the transaction id where the history allows, else by the token. */
export function judgeDoubt(proof: CommitProof, sight: DoubtSight): Verdict {
  const { place, status, hasToken } = sight;
  if (place.systemId !== proof.place.systemId) return 'unknown';
  if (hasToken === true) return 'committed';
  const byToken = hasToken === undefined ? 'unknown' : 'rolled-back';
  // A promoted server has ended its recovery: what it does not show now it will never show.
  if (place.timeline !== proof.place.timeline) return byToken;
  const isSameLife = place.incarnation === proof.place.incarnation;
  switch (status) {
    case 'committed':
      // After a crash the id may have been given to another transaction.
      return isSameLife ? 'committed' : byToken;
    case 'forgotten':
      return byToken;
    case 'aborted':
      // In any life: the id of a committed transaction is in the log and never given again.
      return 'rolled-back';
    case 'in progress':
      // Whoever has it: the statistics that tell a crash may have been reset by hand, with the backend alive.
      return 'in-progress';
    case 'unassigned':
      // Its log was lost in a crash; a commit would have flushed it.
      return isSameLife ? 'unknown' : 'rolled-back';
    case undefined:
      return 'unknown';
  }
}
