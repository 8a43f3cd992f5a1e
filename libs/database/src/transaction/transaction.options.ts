// How transactions begin, how long they may take and how often they run again.
import type { Checks } from '../kernel/option-checks.js';
import type { Consistency } from '../query/query.js';

/** PostgreSQL's isolation levels that differ. */
export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

/** All isolation levels. */
export const ISOLATION_LEVELS: readonly IsolationLevel[] = [
  'read committed',
  'repeatable read',
  'serializable',
];

/** Defaults of all transactions of an instance. */
export interface TransactionDefaults {
  /** Isolation unless the call says otherwise; undefined leaves it to the server. @default undefined */
  readonly isolation: IsolationLevel | undefined;
  /** Longest time from BEGIN to the end of COMMIT, each attempt, in ms. @default 30000 */
  readonly timeoutMs: number;
  /** Further attempts after a serialization failure, a deadlock or a connection lost before COMMIT. @default 3 */
  readonly retries: number;
}

/** Defaults of {@link TransactionDefaults}. */
export const TRANSACTION_DEFAULTS: TransactionDefaults = Object.freeze({
  isolation: undefined,
  timeoutMs: 30_000,
  retries: 3,
});

/** How a call meets a transaction that is already under way. */
export type Propagation =
  'required' | 'requires-new' | 'nested' | 'mandatory' | 'never' | 'supports' | 'not-supported';

/** Options of one transaction. */
export interface TransactionOptions {
  readonly isolation?: IsolationLevel | undefined;
  /** Sets READ ONLY; a replica may serve it when `consistency` is `eventual` or `session`. @default false */
  readonly readOnly?: boolean | undefined;
  /** Sets DEFERRABLE; means something with `serializable` and `readOnly` only. @default false */
  readonly deferrable?: boolean | undefined;
  /** @default transaction.timeoutMs */
  readonly timeoutMs?: number | undefined;
  /** @default transaction.retries */
  readonly retries?: number | undefined;
  /** Where a read-only transaction may run. @default 'primary' */
  readonly consistency?: Consistency | undefined;
  /** A token of `consistencyToken()`: a read-only transaction sees what was written before it. */
  readonly after?: string | undefined;
  /**
   * `required`: joins the one under way, or begins one; `requires-new`: begins one on a connection of
   * its own; `nested`: a savepoint in the one under way, or begins one; `mandatory`: joins, or fails;
   * `never`: fails when one is under way; `supports`: joins, or runs without; `not-supported`: runs without.
   * @default 'required'
   */
  readonly propagation?: Propagation | undefined;
  /** Gives up waiting for a connection, and ends the transaction, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Checks the slice `transaction`. */
export function checkTransaction(defaults: TransactionDefaults, checks: Checks): void {
  checks.oneOf('transaction.isolation', defaults.isolation, [undefined, ...ISOLATION_LEVELS]);
  checks.durationMs('transaction.timeoutMs', defaults.timeoutMs, { min: 1 });
  checks.count('transaction.retries', defaults.retries, { min: 0, max: 100 });
}
