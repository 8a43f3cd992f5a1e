// BEGIN to COMMIT: propagation, savepoints, whole-transaction retry, hooks.
import type { Clock } from '../kernel/clock.js';
import { InDoubtError, UsageError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { BorrowSampler } from '../pool/borrow-sampler.js';
import type { TripRequest } from '../query/trip.js';
import { retry } from '../resilience/retry.js';
import type { RetryOptions } from '../resilience/resilience.options.js';
import { begin, commit, hasLostRole, isLost, rollBack } from './boundaries.js';
import type { Beginning } from './boundaries.js';
import { withDeadline } from './bounded-callback.js';
import { ExactlyOnce, requireSamePromise } from './exactly-once.js';
import { callHooks } from './hooks.js';
import { Places, whereTo } from './places.js';
import { ReadOnlyEnd } from './read-only-end.js';
import { Savepoint } from './savepoint.js';
import type { Scope } from './scope.js';
import { Session, Transaction } from './transaction.js';
import type { SessionParts } from './transaction.js';
import type { TransactionDefaults, TransactionOptions } from './transaction.options.js';

/** What the runner works with. */
export interface RunnerParts extends SessionParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly defaults: TransactionDefaults;
  readonly backoff: RetryOptions;
  readonly sampler: BorrowSampler;
  /** Whom to tell when a primary refuses a write as read-only, and whether another one could take over. */
  readonly topology: { readonly hasOthers: boolean; demoted(node: string): void };
}

/** A transaction that its opener ends. */
export interface OpenTransaction {
  readonly session: Session;
  /** Rolls back and gives the connection back; call it once. */
  close(): Promise<void>;
}

/** Work of a caller. */
type Work<T> = (transaction: Transaction) => Promise<T>;

const STRAY = 'The transaction ended while this statement waited. Await all statements inside it.';

/** Runs callbacks in transactions and sessions. */
export class TransactionRunner {
  private readonly places: Places;
  private readonly exactlyOnce: ExactlyOnce;
  private readonly readOnlyEnd: ReadOnlyEnd;

  constructor(private readonly parts: RunnerParts) {
    this.places = new Places(parts);
    this.exactlyOnce = new ExactlyOnce(parts);
    this.readOnlyEnd = new ReadOnlyEnd(parts.desk);
  }

  /** Runs `work` in a transaction as `options.propagation` says. */
  run<T>(work: Work<T>, options: TransactionOptions = {}): Promise<T> {
    const scope = this.parts.ambient.scope;
    const outer = scope?.kind === 'session' ? undefined : scope;
    switch (options.propagation ?? 'required') {
      case 'required':
        return outer === undefined ? this.begin(work, options) : this.join(outer, work, options);
      case 'requires-new':
        return this.parts.ambient.run(undefined, () => this.begin(work, options));
      case 'nested':
        return outer === undefined ? this.begin(work, options) : this.nest(outer, work, options);
      case 'mandatory':
        if (outer !== undefined) return this.join(outer, work, options);
        return Promise.reject(
          new UsageError(
            'propagation "mandatory" needs a transaction under way. Call this inside db.transaction().',
          ),
        );
      case 'never':
        if (outer === undefined) return this.withoutTransaction(work);
        return Promise.reject(
          new UsageError(
            'propagation "never" forbids a transaction under way. Call this outside of db.transaction().',
          ),
        );
      case 'supports':
        return outer === undefined
          ? this.withoutTransaction(work)
          : this.join(outer, work, options);
      case 'not-supported':
        return this.parts.ambient.run(undefined, () => this.withoutTransaction(work));
    }
  }

  /** Runs `work` on one connection, whose session state is taken back afterwards. */
  session<T>(
    work: (session: Session) => Promise<T>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const { ambient } = this.parts;
    return this.places.withLease(
      { signal: options.signal },
      async (lease) => {
        const scope = this.places.newScope('session', lease, Number.POSITIVE_INFINITY);
        try {
          return await ambient.run(scope, () => work(new Session(scope, this.parts)));
        } finally {
          scope.end();
        }
      },
      { reset: true },
    );
  }

  /** Opens a read-only transaction that the caller ends, on a replica where the request allows. */
  async open(request: Partial<TripRequest>): Promise<OpenTransaction> {
    const { desk, defaults } = this.parts;
    const timeoutMs = request.timeoutMs ?? defaults.timeoutMs;
    const { scope, leave } = await this.places.take({ ...request, intent: 'read' }, timeoutMs);
    const close = async (): Promise<void> => {
      scope.end(new UsageError(STRAY));
      await rollBack(desk, scope);
      leave();
    };
    try {
      await begin(desk, scope, { readOnly: true });
    } catch (error) {
      await close();
      throw error;
    }
    return { session: new Session(scope, this.parts), close };
  }

  /** Opens a savepoint that the caller ends; waits while another one is open. */
  openSavepoint(outer: Scope): Promise<Savepoint> {
    return Savepoint.open(outer, this.parts);
  }

  private begin<T>(work: Work<T>, options: TransactionOptions): Promise<T> {
    const { clock, defaults, backoff, events } = this.parts;
    // A session is bound to its connection: when that is lost there is nothing to run it on again.
    const isInSession = this.parts.ambient.scope !== undefined;
    let isBegun = false;
    const attempt = (): Promise<T> => {
      isBegun = false;
      return this.attempt(work, options, () => (isBegun = true));
    };
    return retry(attempt, {
      ...backoff,
      attempts: 1 + (options.retries ?? defaults.retries),
      clock,
      signal: options.signal,
      accepts: (scope, error) =>
        scope === 'transaction' ||
        (this.parts.topology.hasOthers && hasLostRole(error, options)) ||
        // Lost before COMMIT was sent (after it, the error is InDoubtError): the server rolled back. Before
        // BEGIN it is a failure to connect, which had its attempts already.
        (isBegun && !isInSession && isLost(error)),
      retrying: (attempt, delayMs, error) =>
        events.emit('transaction:retried', { attempt, delayMs, error: error as Error }),
    });
  }

  /** One run of the whole; its hooks follow when the connection is back in the pool. */
  private async attempt<T>(
    work: Work<T>,
    options: TransactionOptions,
    begins: () => void,
  ): Promise<T> {
    const { desk, defaults } = this.parts;
    const timeoutMs = options.timeoutMs ?? defaults.timeoutMs;
    if (options.exactlyOnce === true) await this.exactlyOnce.prepare();
    const { scope, leave } = await this.places.take(whereTo(options), timeoutMs);
    scope.isExactlyOnce = options.exactlyOnce === true;
    begins();
    const { readOnly, deferrable, isolation = defaults.isolation } = options;
    const beginning = { isolation, readOnly, deferrable };
    try {
      const begun = begin(desk, scope, beginning);
      if (begun !== undefined) await begun;
      const result = await this.within(scope, work, options.signal);
      if (scope.doomedBy !== undefined) throw scope.doomedBy as Error;
      scope.requireNoInner();
      scope.end();
      await this.commit(scope, beginning);
      leave();
      if (scope.afterCommit.length > 0) await callHooks(scope.afterCommit, this.parts);
      return result;
    } catch (error) {
      scope.end(new UsageError(STRAY, error));
      await rollBack(desk, scope);
      leave();
      await this.failed(scope, error, options);
      throw error;
    }
  }

  private async failed(scope: Scope, error: unknown, options: TransactionOptions): Promise<void> {
    // In doubt it may be committed: a hook that makes good for a rollback would do harm.
    if (error instanceof InDoubtError)
      this.parts.events.emit('transaction:in-doubt', { node: scope.node, error });
    else await callHooks(scope.afterRollback, this.parts);
    if (hasLostRole(error, options)) this.parts.topology.demoted(scope.node);
  }

  private commit(scope: Scope, beginning: Beginning): Promise<void> {
    const isPlain = !scope.isExactlyOnce && beginning.readOnly !== true;
    return isPlain ? commit(this.parts.desk, scope, false) : this.commitWith(scope, beginning);
  }

  /** One that is looked up when it gets no answer, or that nobody waits for. */
  private async commitWith(scope: Scope, beginning: Beginning): Promise<void> {
    const { lease, node } = scope;
    const isReadOnly = beginning.readOnly === true;
    const { isExactlyOnce } = scope;
    const isProven = isExactlyOnce && !isReadOnly && lease.hasBegun;
    const proof = isProven ? await this.exactlyOnce.prove(lease) : undefined;
    if (isReadOnly && lease.hasBegun && (await this.readOnlyEnd.sent(scope, beginning))) return;
    try {
      await commit(this.parts.desk, scope, isReadOnly);
    } catch (error) {
      if (!isExactlyOnce || !(error instanceof InDoubtError)) throw error;
      await this.exactlyOnce.settle(proof, error, node);
    }
  }

  private within<T>(scope: Scope, work: Work<T>, signal: AbortSignal | undefined): Promise<T> {
    const { ambient, desk } = this.parts;
    const { deadlineAtMs, leftMs, lease } = scope;
    const transaction = new Transaction(scope, this.parts);
    const stop = (error: DatabaseError): void => lease.abort(error);
    return withDeadline({ wheel: desk.wheel, deadlineAtMs, leftMs, signal, stop }, () =>
      ambient.run(scope, () => work(transaction)),
    );
  }

  /** A joined call that fails dooms the whole: half of it must not be committed. */
  private async join<T>(outer: Scope, work: Work<T>, options: TransactionOptions): Promise<T> {
    outer.requireActive();
    requireSamePromise(outer, options);
    try {
      return await work(new Transaction(outer, this.parts));
    } catch (error) {
      outer.doomedBy ??= error;
      throw error;
    }
  }

  private async nest<T>(outer: Scope, work: Work<T>, options: TransactionOptions): Promise<T> {
    requireSamePromise(outer, options);
    const { ambient } = this.parts;
    const savepoint = await this.openSavepoint(outer);
    const { scope } = savepoint;
    try {
      const result = await ambient.run(scope, () => work(new Transaction(scope, this.parts)));
      await savepoint.release();
      return result;
    } catch (error) {
      await savepoint.rollBack(error);
      throw error;
    }
  }

  /** One connection in autocommit; the hooks follow the end of the callback. */
  private withoutTransaction<T>(work: Work<T>): Promise<T> {
    const { ambient } = this.parts;
    return this.places.withLease(
      {},
      async (lease) => {
        const scope = this.places.newScope('session', lease, Number.POSITIVE_INFINITY);
        try {
          const result = await ambient.run(scope, () => work(new Transaction(scope, this.parts)));
          await callHooks(scope.afterCommit, this.parts);
          return result;
        } catch (error) {
          await callHooks(scope.afterRollback, this.parts);
          throw error;
        } finally {
          scope.end();
        }
      },
      { reset: true },
    );
  }
}
