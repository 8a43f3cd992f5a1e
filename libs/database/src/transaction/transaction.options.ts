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
  /** Longest time of finding out what became of a COMMIT without an answer, with `exactlyOnce`, in ms. @default 10000 */
  readonly resolveTimeoutMs: number;
  /**
   * Table, as `table` or `schema.table`, in which transactions with `exactlyOnce` leave a row that decides after a
   * crash and after a failover too; created when it is missing. @default false
   */
  readonly commitTable: string | false;
  /**
   * What happens when code inside a transaction uses a connection of the same instance that does not belong to it: a
   * client, session or transaction that was opened outside. @default 'warn'
   */
  readonly foreignConnections: 'allow' | 'warn' | 'refuse';
}

/** Defaults of {@link TransactionDefaults}. */
export const TRANSACTION_DEFAULTS: TransactionDefaults = Object.freeze({
  isolation: undefined,
  timeoutMs: 30_000,
  retries: 3,
  resolveTimeoutMs: 10_000,
  commitTable: false,
  foreignConnections: 'warn',
});

/** What {@link TransactionDefaults.foreignConnections} may be. */
const FOREIGN_CONNECTIONS = ['allow', 'warn', 'refuse'] as const;
/** Names that need no quotes, so that the table can be found by hand as it is written. */
const TABLE_NAME = /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/;

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
  /**
   * A COMMIT whose answer is lost is looked up: the call returns when it is committed, runs again when it was rolled
   * back, and throws InDoubtError only when nobody can tell. One more round trip. @default false
   */
  readonly exactlyOnce?: boolean | undefined;
  /** Gives up waiting for a connection, and ends the transaction, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Checks the slice `transaction`. */
export function checkTransaction(defaults: TransactionDefaults, checks: Checks): void {
  checks.oneOf('transaction.isolation', defaults.isolation, [undefined, ...ISOLATION_LEVELS]);
  checks.durationMs('transaction.timeoutMs', defaults.timeoutMs, { min: 1 });
  checks.count('transaction.retries', defaults.retries, { min: 0, max: 100 });
  checks.durationMs('transaction.resolveTimeoutMs', defaults.resolveTimeoutMs, { min: 1 });
  checks.oneOf('transaction.foreignConnections', defaults.foreignConnections, FOREIGN_CONNECTIONS);
  const { commitTable } = defaults;
  if (commitTable !== false && !(typeof commitTable === 'string' && TABLE_NAME.test(commitTable))) {
    checks.problem(
      'transaction.commitTable',
      commitTable,
      'must be false or a name such as app.commits, in small letters, digits and _',
      'Name a table of its own; it is created when it is missing.',
    );
  }
}
