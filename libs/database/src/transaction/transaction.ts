// What the callback of a transaction or session gets: its connection, by hand instead of by context.
import type { QueryOptions, QueryResult, Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Ambient } from './ambient.js';
import type { ForeignGuard } from './foreign-guard.js';
import type { Hook, Scope } from './scope.js';

/** What sessions work with. */
export interface SessionParts {
  readonly ambient: Ambient;
  readonly desk: TripDesk;
  readonly guard: ForeignGuard;
}

/** A connection inside a callback. Statements given at the same time run one after the other. */
export class Session {
  constructor(
    protected readonly scope: Scope,
    private readonly parts: SessionParts,
  ) {}

  /** Process id of the backend, as in pg_stat_activity. */
  get backendPid(): number {
    return this.scope.lease.facts().backendPid;
  }

  /** True inside BEGIN and COMMIT, by the server's word. */
  get isInTransaction(): boolean {
    return this.scope.lease.transactionStatus === 'open';
  }

  /** True while statements can be sent: the callback runs, and no statement has failed a transaction. */
  get isHealthy(): boolean {
    const { lease } = this.scope;
    return this.scope.isActive && lease.isUsable && lease.transactionStatus !== 'failed';
  }

  /** @throws UsageError after the end of the callback, and whatever the statement fails with. */
  query<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    const parcel = typeof statement === 'string' ? { text: statement, values } : statement;
    const { timeoutMs, signal } = options;
    const refusal = this.parts.guard.refusal(this.scope.lease, parcel.text);
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.parts.desk.sendOn(this.innermost(), parcel, { timeoutMs, signal }) as Promise<
      QueryResult<Row>
    >;
  }

  /** A savepoint that is open in the code that asks takes the statement: this scope would make it wait. */
  private innermost(): Scope {
    const { scope } = this.parts.ambient;
    return scope !== undefined && this.scope.encloses(scope) ? scope : this.scope;
  }
}

/** A transaction inside its callback. */
export class Transaction extends Session {
  /** Called once the whole is committed, outside of it, in order. A failure is reported, not thrown. */
  afterCommit(hook: Hook): void {
    this.scope.requireActive();
    this.scope.afterCommit.push(hook);
  }

  /** Called once this transaction, or savepoint, is rolled back. A failure is reported, not thrown. */
  afterRollback(hook: Hook): void {
    this.scope.requireActive();
    this.scope.afterRollback.push(hook);
  }
}
