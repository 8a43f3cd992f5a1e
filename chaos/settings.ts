// The limits that the load gives to the library, and by when the referee expects its calls to be over.
import type { DatabaseModuleOptions } from '../libs/database/src/database.options.js';
import type { ReadKind, TransferKind } from './journal.js';
import { COMMIT_TABLE } from './ledger.js';

/** Of one statement in autocommit and of one read, in ms. */
export const QUERY_TIMEOUT_MS = 3_000;
/** Of one attempt of a transaction, in ms. */
const TRANSACTION_TIMEOUT_MS = 3_000;
/** Further attempts of the transactions that are repeated. */
const RETRIES = 2;
/** Longest that a {@link ReadKind} `nap` sleeps on the server, in ms. */
export const NAP_MS = 400;

const ACQUIRE_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 2_000;
/** Of finding out what became of a COMMIT, in ms. */
const RESOLVE_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 5_000;
/** Beyond its limits, for a busy machine, a late cancel and the pauses between attempts, in ms. */
const GRACE_MS = 4_000;
/** Longest wait for a primary while none is known: the library's default, in ms. */
const FAILOVER_WAIT_MS = 5_000;
const ATTEMPT_MS =
  FAILOVER_WAIT_MS + ACQUIRE_TIMEOUT_MS + TRANSACTION_TIMEOUT_MS + STATEMENT_TIMEOUT_MS;

/**
 * The instances of the load: `writer`, `unproven` (a writer without a table of proofs), and `reader`, which knows of
 * the others' work only what it is told. Shorter limits than the defaults have more calls run into them.
 */
export function loadOptions(
  name: 'writer' | 'unproven' | 'reader',
  urls: readonly string[],
): DatabaseModuleOptions {
  return {
    name,
    hosts: urls.map((url) => ({ url })),
    applicationName: `chaos-${name}`,
    pool: {
      // Few enough that transactions wait for each other, and begin behind the COMMIT before them.
      max: name === 'writer' ? 4 : 8,
      acquireTimeoutMs: ACQUIRE_TIMEOUT_MS,
      connectTimeoutMs: 1_000,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
    },
    routing: { failoverWaitMs: FAILOVER_WAIT_MS },
    transaction: {
      timeoutMs: TRANSACTION_TIMEOUT_MS,
      retries: RETRIES,
      resolveTimeoutMs: RESOLVE_TIMEOUT_MS,
      commitTable: name === 'writer' ? COMMIT_TABLE : false,
    },
    telemetry: false,
  };
}

/** By when a call has to be settled, from its begin, in ms. */
export function boundMsOf(kind: TransferKind | ReadKind): number {
  switch (kind) {
    case 'plain':
    case 'cancelled':
      return ATTEMPT_MS + GRACE_MS;
    case 'retried':
      return ATTEMPT_MS * (1 + RETRIES) + GRACE_MS;
    case 'exactly-once':
    case 'exactly-once-by-id':
      return (ATTEMPT_MS + RESOLVE_TIMEOUT_MS) * (1 + RETRIES) + GRACE_MS;
    case 'statement':
    case 'own-read':
    case 'sum-read':
    case 'nap':
      return QUERY_TIMEOUT_MS + GRACE_MS;
  }
}

/** The shortest time limit that may end a call, in ms. */
export function limitMsOf(kind: TransferKind | ReadKind): number {
  switch (kind) {
    case 'plain':
    case 'cancelled':
    case 'retried':
    case 'exactly-once':
    case 'exactly-once-by-id':
      return STATEMENT_TIMEOUT_MS;
    case 'statement':
    case 'own-read':
    case 'sum-read':
    case 'nap':
      return QUERY_TIMEOUT_MS;
  }
}
