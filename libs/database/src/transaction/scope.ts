// A connection that a piece of asynchronous code is bound to: a session, a transaction, a savepoint.
import type { Clock } from '../kernel/clock.js';
import { DatabaseError, QueryTimeoutError, UsageError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { Lease } from '../pool/lease.js';
import type { Phase, Pinned, Trip } from '../query/trip.js';

/** What a scope is. */
export type ScopeKind = 'session' | 'transaction' | 'savepoint';

/** A function to be called once the transaction has ended. */
export type Hook = () => Promise<void> | void;

/** What a scope is made of. */
export interface ScopeParts {
  readonly kind: ScopeKind;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly parent: Scope | undefined;
  /** Monotonic time by which all of it has to be over, in ms. */
  readonly deadlineAtMs: number;
}

const GATED =
  'The statement waited for the end of a nested transaction. When that one waits for the statement in turn, run ' +
  'the statement on its handle: tx, the manager or trx of the other library.';
const ENDED =
  'A statement ended the transaction (COMMIT or ROLLBACK inside its text). The callback of transaction() ends ' +
  'it: return to commit, throw to roll back.';

/** What a refusal goes back to: the BEGIN that failed may have gone ahead of a savepoint, of which no scope hears. */
function originOf(error: DatabaseError): DatabaseError {
  return error.sqlState === '25P02' && error.cause instanceof DatabaseError ? error.cause : error;
}

/**
 * Statements that are sent from inside a scope run on its connection, in order. While an inner scope
 * is open, statements of the outer one wait: run inside, they would share the fate of its savepoint.
 */
export class Scope implements Pinned {
  readonly afterCommit: Hook[] = [];
  readonly afterRollback: Hook[] = [];
  /** Why a joined call failed: the whole is rolled back, whatever the caller makes of the error. */
  doomedBy: unknown;
  /** The first failure inside; the ones that follow (25P02) are explained by it. */
  firstError: DatabaseError | undefined;
  private isOpen = true;
  private isProven = false;
  private inner: Scope | undefined;
  private readonly gated: Trip[] = [];
  private readonly turns: Array<() => void> = [];
  private readonly atGate: Phase = {
    due: (trip) => {
      const cause = new UsageError(GATED);
      const waitedMs = this.parts.clock.monotonicMs() - trip.openedAtMs;
      this.leaveGate(trip, new QueryTimeoutError(waitedMs, { cause, safeToRetry: true }));
    },
    interrupt: (trip, error) => this.leaveGate(trip, error),
  };

  constructor(private readonly parts: ScopeParts) {}

  get kind(): ScopeKind {
    return this.parts.kind;
  }

  get lease(): Lease {
    return this.parts.lease;
  }

  get node(): string {
    return this.parts.lease.node;
  }

  get transactionStatus(): Lease['transactionStatus'] {
    return this.parts.lease.transactionStatus;
  }

  get parent(): Scope | undefined {
    return this.parts.parent;
  }

  get deadlineAtMs(): number {
    return this.parts.deadlineAtMs;
  }

  /** Time until the deadline, in ms. */
  get leftMs(): number {
    return this.deadlineAtMs - this.parts.clock.monotonicMs();
  }

  /** True until the end of the callback that owns the scope, or one around it. */
  get isActive(): boolean {
    return this.isOpen && (this.parent?.isActive ?? true);
  }

  /** Whether a COMMIT without an answer is looked up; of a savepoint, that of the transaction around it. */
  get isExactlyOnce(): boolean {
    return this.isProven || (this.parent?.isExactlyOnce ?? false);
  }

  set isExactlyOnce(value: boolean) {
    this.isProven = value;
  }

  /** Nesting depth of savepoints. */
  get depth(): number {
    return this.parent === undefined ? 0 : this.parent.depth + 1;
  }

  /** True for this scope and those inside it. */
  encloses(other: Scope | undefined): boolean {
    for (let scope = other; scope !== undefined; scope = scope.parent) {
      if (scope === this) return true;
    }
    return false;
  }

  /** @throws UsageError when the scope is over. */
  requireActive(): void {
    if (this.isActive) return;
    throw new UsageError(
      `The ${this.kind} has ended, yet code that was started inside it still uses it. ` +
        'Await everything inside the callback; run what may come later in tx.afterCommit().',
      this.firstError,
    );
  }

  /** @throws UsageError when an inner scope is still open: half of what it does would be committed. */
  requireNoInner(): void {
    if (this.inner === undefined) return;
    throw new UsageError(
      `The ${this.kind} ended while a nested transaction inside it was under way. Await it inside the callback.`,
    );
  }

  enter(trip: Trip): void {
    try {
      this.requireActive();
    } catch (error) {
      trip.settle(error as UsageError, undefined);
      return;
    }
    trip.deadlineAtMs = Math.min(trip.deadlineAtMs ?? Number.POSITIVE_INFINITY, this.deadlineAtMs);
    if (this.inner === undefined) this.lease.enter(trip);
    else {
      this.gated.push(trip);
      trip.begin(this.atGate, this.parts.clock.monotonicMs(), Number.POSITIVE_INFINITY);
    }
  }

  returning(trip: Trip): void {
    if (this.kind !== 'session' && this.lease.isUsable && this.lease.transactionStatus === 'idle') {
      this.doomedBy ??= new UsageError(ENDED);
      trip.error ??= this.doomedBy as UsageError;
    }
    const { error } = trip;
    if (error === undefined) return;
    if (error.sqlState === '25P02' && this.firstError !== undefined) {
      trip.error = new QueryError(
        `The transaction had failed before, with: ${this.firstError.message}`,
        { sqlState: '25P02', cause: this.firstError },
      );
    } else this.firstError ??= originOf(error);
  }

  /** Opens an inner scope when no other one is open; waits its turn otherwise. */
  async openInner(parts: Partial<Pick<ScopeParts, 'kind' | 'deadlineAtMs'>> = {}): Promise<Scope> {
    while (this.inner !== undefined && this.isActive) {
      await new Promise<void>((resolve) => this.turns.push(resolve));
    }
    this.requireActive();
    this.inner = new Scope({ ...this.parts, kind: 'savepoint', ...parts, parent: this });
    return this.inner;
  }

  /** The inner scope is over: what waited at the gate goes on. */
  closeInner(): void {
    this.inner = undefined;
    this.turns.shift()?.();
    if (this.inner !== undefined) return;
    for (const trip of this.gated.splice(0)) {
      trip.leave();
      this.lease.enter(trip);
    }
  }

  /** No further statement is let in. What waits is refused when `error` is given, and awaited otherwise. */
  end(error?: UsageError): void {
    this.isOpen = false;
    for (const turn of this.turns.splice(0)) turn();
    if (error === undefined) return;
    for (const trip of this.gated.splice(0)) trip.settle(error, undefined);
    this.lease.refuseQueued(error);
  }

  private leaveGate(trip: Trip, error: DatabaseError): void {
    this.gated.splice(this.gated.indexOf(trip), 1);
    trip.settle(error, undefined);
  }
}
