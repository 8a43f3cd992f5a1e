// The statements at both ends of a transaction, and what their failures mean.
import { findDatabaseError } from '../kernel/error-chain.js';
import {
  ConnectionError,
  InDoubtError,
  QueryTimeoutError,
  ShutdownError,
} from '../kernel/errors.js';
import { QueryError, ReadOnlyError } from '../kernel/query-errors.js';
import { GRACE_MS } from '../kernel/timer-wheel.js';
import type { Lease } from '../pool/lease.js';
import type { QueryResult, Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Scope } from './scope.js';
import type { IsolationLevel } from './transaction.options.js';

/** How a transaction begins. */
export interface Beginning {
  readonly isolation?: IsolationLevel | undefined;
  readonly readOnly?: boolean | undefined;
  readonly deferrable?: boolean | undefined;
}

const COMMIT: Statement = Object.freeze({ text: 'COMMIT' });
const COMMITS = { uncancellable: true, endsTransaction: true } as const;
const COMMIT_READ = Object.freeze({ ...COMMITS, intent: 'read' } as const);
const COMMIT_WRITE = Object.freeze({ ...COMMITS, intent: 'write' } as const);

/** BEGIN with its modes: made once each, for a text that is always the same string is found at once among the prepared. */
const BEGINS = new Map<string | undefined, readonly string[]>();

function makeBegins(isolation: IsolationLevel | undefined): readonly string[] {
  const level = isolation === undefined ? '' : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  const begins = ['', ' READ ONLY', ' DEFERRABLE', ' READ ONLY DEFERRABLE'].map(
    (modes) => `BEGIN${level}${modes}`,
  );
  BEGINS.set(isolation, begins);
  return begins;
}

function beginText({ isolation, readOnly, deferrable }: Beginning): string {
  const begins = BEGINS.get(isolation) ?? makeBegins(isolation);
  const modes = (readOnly === true ? 1 : 0) + (deferrable === true ? 2 : 0);
  return begins[modes] as string;
}

/** The server's own limit. Most transactions have the same as the one before. */
const limitText = { ms: 0, text: '' };

function setLimit(timeoutMs: number): string {
  const ms = serverLimitMs(timeoutMs);
  if (ms !== limitText.ms) {
    limitText.ms = ms;
    limitText.text = `SET LOCAL statement_timeout = ${ms}`;
  }
  return limitText.text;
}

/** BEGIN with its modes, and the server's own limit: what goes ahead of the first statement. */
export function beginTexts(beginning: Beginning, timeoutMs: number): readonly string[] {
  return [beginText(beginning), setLimit(timeoutMs)];
}

/**
 * Above a second in tenths of one, rounded up: few texts, which stay prepared. The deadline itself is kept here, and the
 * error that tells of it is to be ours: the server gives a little more.
 */
function serverLimitMs(leftMs: number): number {
  // 0 would be no limit at all.
  if (leftMs <= 0) return 1;
  const ms = Math.ceil(leftMs) + GRACE_MS;
  return ms > 1_000 ? Math.ceil(ms / 100) * 100 : ms;
}

/**
 * Begins: BEGIN goes with the first statement, within what is left by then. Behind statements of a session that nobody
 * has awaited it goes by itself, for they are no part of the transaction.
 */
export function begin(desk: TripDesk, scope: Scope, beginning: Beginning): Promise<unknown> | void {
  const { lease } = scope;
  const texts = (): readonly string[] => beginTexts(beginning, scope.leftMs);
  if (lease.isWorking) return desk.sendOn(lease, { text: texts().join('; ') });
  lease.begin(texts);
}

/**
 * What the failure of a COMMIT means: in doubt when it was sent and not answered, which gives the connection
 * up; else the failure itself, for then nothing was committed.
 */
export function doubtOf(error: unknown, lease: Lease): unknown {
  if (!endsUnanswered(error, lease)) return error;
  return new InDoubtError(
    'The connection was lost while COMMIT was under way: the transaction may be committed or not. ' +
      'Look for its effect before you run it again.',
    { cause: error },
  );
}

/** Whether a COMMIT got no answer: it is not cancelled, so that nothing could follow it on its connection. */
function endsUnanswered(error: unknown, lease: Lease): boolean {
  // Of a pool that closes over it, or of a deadline, COMMIT learns as little as of a lost connection.
  const isUnanswered =
    error instanceof ConnectionError ||
    error instanceof QueryTimeoutError ||
    error instanceof ShutdownError;
  if (!isUnanswered || error.safeToRetry) return false;
  lease.drop('its COMMIT was not answered');
  return true;
}

/** Sends COMMIT. The connection is for the next one from then on, unless a session around the transaction has it. */
export function sendCommit(
  desk: TripDesk,
  scope: Scope,
  isReadOnly: boolean,
): Promise<QueryResult> {
  const { lease, parent } = scope;
  const answer = desk.sendOn(lease, COMMIT, isReadOnly ? COMMIT_READ : COMMIT_WRITE);
  if (lease.isEnding && parent === undefined) lease.release();
  return answer;
}

/**
 * Commits what was begun. A connection that is lost meanwhile leaves the outcome unknown, unless there was nothing
 * to commit.
 * @throws InDoubtError then; the first error of the transaction when the server rolled back instead.
 */
export function commit(desk: TripDesk, scope: Scope, isReadOnly: boolean): Promise<void> {
  const { lease } = scope;
  if (!lease.hasBegun && lease.transactionStatus !== 'failed') {
    lease.forgetBegin();
    return Promise.resolve();
  }
  return sendCommit(desk, scope, isReadOnly).then(
    ({ command }) => {
      if (command === 'COMMIT') return;
      // A failed statement whose error the callback swallowed: the server answers COMMIT with ROLLBACK.
      throw scope.firstError ?? new QueryError('The server rolled the transaction back at COMMIT.');
    },
    (error: unknown) => {
      if (!lease.hasBegun) throw scope.firstError ?? error;
      const doubt = doubtOf(error, lease);
      // Whether it took effect makes no difference.
      throw isReadOnly ? error : doubt;
    },
  );
}

/** Rolls back what was begun; when that fails, the connection is given up and the server does it. */
export async function rollBack(desk: TripDesk, scope: Scope): Promise<void> {
  const { lease } = scope;
  if (lease.isReleased || !lease.isUsable) return;
  try {
    if (lease.hasBegun) await desk.sendOn(lease, { text: 'ROLLBACK' });
  } catch (error) {
    if (lease.hasBegun) lease.drop(`its ROLLBACK failed: ${String(error)}`);
  }
  if (!lease.hasBegun) lease.forgetBegin();
}

/** A write was refused as read-only in a transaction that was not: its server is no primary any more. */
export function hasLostRole(error: unknown, beginning: Beginning): boolean {
  const ours = findDatabaseError(error);
  return ours instanceof ReadOnlyError && !ours.safeToRetry && beginning.readOnly !== true;
}

/** The connection was lost for a passing reason; another library may have wrapped the error. */
export function isLost(error: unknown): boolean {
  const ours = findDatabaseError(error);
  return ours instanceof ConnectionError && ours.transient;
}
