// What an application injects: opens the trip of each call, inside the transaction it is called in.
import type { Readable } from 'node:stream';
import { NotFoundRowError, TooManyRowsError, UsageError } from './kernel/errors.js';
import { ReadOnlyError } from './kernel/query-errors.js';
import { copyIn, copyOut } from './database.copy.js';
import type { CopyOptions, CopyPlace, CopySource, CopyToOptions } from './database.copy.js';
import type { DatabaseCore, DatabaseStatus } from './database.core.js';
import { readCursor, requireBatchSize, STREAM_DEFAULTS } from './database.cursor.js';
import type { StreamOptions } from './database.cursor.js';
import type {
  ListenOptions,
  NotificationHandler,
  Subscription,
} from './notifications/notification.js';
import type { QueryOptions, QueryResult, Statement } from './query/query.js';
import type { Caller, TripRequest } from './query/trip.js';
import { formatToken, parseToken } from './routing/consistency-token.js';
import { Session } from './transaction/transaction.js';
import type { Transaction } from './transaction/transaction.js';
import type { TransactionOptions } from './transaction/transaction.options.js';

const NO_SESSION =
  'session() needs a backend of its own, and the pooler in between shares backends between transactions. Use ' +
  'transaction() with SET LOCAL, pg_advisory_xact_lock() and tables that are dropped ON COMMIT, or lead url to the ' +
  'server itself or to a port of the pooler that pools sessions.';

function toStatement(
  statement: string | Statement,
  values: readonly unknown[] | undefined,
  options: QueryOptions,
): Statement {
  return typeof statement === 'string'
    ? { text: statement, values, name: options.name }
    : statement;
}

/** The rows of the last statement of a text; `pg` gives an array for several. */
function lastResult<Row>(result: unknown): QueryResult<Row> {
  return (Array.isArray(result) ? result.at(-1) : result) as QueryResult<Row>;
}

/**
 * Runs statements on PostgreSQL. Every promise settles by its deadline. Inside {@link transaction} and
 * {@link session} all methods use the connection of that callback, wherever they are called from.
 */
export class DatabaseService {
  constructor(private readonly core: DatabaseCore) {}

  /** Name of the instance of the module. */
  get name(): string {
    return this.core.options.name;
  }

  /**
   * Runs a statement on the primary. Of a text with several statements (without values) the last result counts.
   * @throws QueryError and its kin for what the server refuses; QueryTimeoutError, QueryAbortedError,
   * PoolTimeoutError, PoolOverloadedError, CircuitOpenError, ConnectionError, ParameterError, ShutdownError.
   */
  query<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      const parcel = toStatement(statement, values, options);
      const how = { intent: 'write', repeatable: options.idempotent ?? false } as const;
      const told = (result: unknown): void => resolve(lastResult<Row>(result));
      this.send(parcel, options, how, { resolve: told, reject });
    });
  }

  /**
   * Runs a statement that only reads, on a replica where `consistency` allows, and again after a lost
   * connection where it may. A function that is not built in is not known to be harmless: such a statement
   * is not repeated, unless `idempotent` says so.
   * @throws ReadOnlyError for a statement that writes, before it is sent; else what {@link query} throws.
   */
  read<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
    options: QueryOptions = {},
  ): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      const parcel = toStatement(statement, values, options);
      const { kind, because } = this.core.classifier.classify(parcel.text);
      if (kind === 'write') {
        const message = `read() takes statements that only read, and this one has ${because}. Use query().`;
        throw new ReadOnlyError(message, { sqlState: '25006', safeToRetry: true });
      }
      const how = { intent: 'read', repeatable: options.idempotent ?? kind === 'pure' } as const;
      const told = (result: unknown): void => resolve(lastResult<Row>(result).rows);
      this.send(parcel, options, how, { resolve: told, reject });
    });
  }

  /**
   * The one row that a statement gives: of a read, or of a write with RETURNING, which goes to the primary.
   * @throws NotFoundRowError without a row, TooManyRowsError with more (a write has taken effect by then,
   * unless a transaction rolls it back); else what {@link read} or {@link query} throws.
   */
  async one<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<Row> {
    const row = await this.maybeOne<Row>(statement, values, options);
    if (row !== undefined) return row;
    throw new NotFoundRowError('one() found no row. Use maybeOne() where that is fine.');
  }

  /**
   * The row that a statement gives, or undefined.
   * @throws TooManyRowsError with more than one, as {@link one} does.
   */
  async maybeOne<Row = Record<string, unknown>>(
    statement: string | Statement,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<Row | undefined> {
    const text = typeof statement === 'string' ? statement : statement.text;
    const writes = this.core.classifier.classify(text).kind === 'write';
    const rows = writes
      ? (await this.query<Row>(statement, values, options)).rows
      : await this.read<Row>(statement, values, options);
    if (rows.length <= 1) return rows[0];
    const message = `Expected one row and found ${rows.length}. Narrow the condition, or use read().`;
    throw new TooManyRowsError(message, rows.length);
  }

  /**
   * Runs `work` in a transaction: COMMIT when it resolves, ROLLBACK when it rejects. After 40001, 40P01 or
   * a connection lost before COMMIT the whole of it runs again: keep other effects for `tx.afterCommit()`.
   * @throws what `work` throws; InDoubtError when the connection is lost during COMMIT; UsageError.
   */
  transaction<T>(
    work: (transaction: Transaction) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T> {
    return this.core.runner.run(work, options);
  }

  /**
   * Runs `work` on one connection, for advisory locks, temporary tables, SET; all of it is taken back afterwards.
   * @throws UsageError behind a pooler that shares backends between transactions: there is no session.
   */
  async session<T>(
    work: (session: Session) => Promise<T>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    if (this.core.topology.primary()?.pooling === 'transaction') throw new UsageError(NO_SESSION);
    return this.core.runner.session(work, options);
  }

  /**
   * Rows of a SELECT, one by one, at the pace of the reader, from one snapshot. Holds a connection until
   * the loop ends, by `break` too.
   */
  async *stream<Row = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
    options: StreamOptions = {},
  ): AsyncGenerator<Row> {
    const { ambient, runner } = this.core;
    requireBatchSize(options.batchSize);
    const timeoutMs = options.timeoutMs ?? STREAM_DEFAULTS.timeoutMs;
    const { scope } = ambient;
    if (scope !== undefined) {
      yield* readCursor<Row>(new Session(scope, this.core), text, values, options);
      return;
    }
    const { signal, consistency, maxLagMs, after } = options;
    const opened = await runner.open({ timeoutMs, signal, consistency, maxLagMs, after });
    try {
      yield* readCursor<Row>(opened.session, text, values, options);
    } finally {
      await opened.close();
    }
  }

  /**
   * Stores rows by COPY: `target` is a table, or a whole `COPY ... FROM STDIN`. All or nothing.
   * @returns the number of rows stored.
   */
  copyFrom(target: string, source: CopySource, options: CopyOptions = {}): Promise<number> {
    return copyIn(this.core.desk, this.place, target, source, options);
  }

  /** Streams what `COPY (SELECT ...) TO STDOUT` gives; an error comes as the stream's 'error'. */
  copyTo(text: string, options: CopyToOptions = {}): Readable {
    return copyOut(this.core.desk, this.place, text, options);
  }

  /**
   * Calls `handler` for each NOTIFY on `channel` from the moment the promise resolves, one after the other. Survives lost
   * connections and failovers: `onGap` is called where notifications may be missing. Begins at once, in a transaction too.
   * @throws UsageError, also behind a pooler without `listen.url`; ConnectionError when it is not acknowledged in time.
   */
  listen(
    channel: string,
    handler: NotificationHandler,
    options?: ListenOptions,
  ): Promise<Subscription> {
    return this.core.notifications.listen(channel, handler, options);
  }

  /**
   * What the last write of this context has to be seen by: pass it as `after`, in another process too. A
   * context is what {@link withConsistency} opens; outside of any it is this instance.
   * @throws UsageError with `routing.trackWrites: false`.
   */
  consistencyToken(): string {
    const { contexts, options, tracksWrites } = this.core;
    if (tracksWrites) return formatToken(contexts.current.freshness);
    if (options.routing.trackWrites === 'auto') return formatToken('primary');
    throw new UsageError(
      'consistencyToken() knows no write, for routing.trackWrites is false. Leave that option out.',
    );
  }

  /**
   * Runs `work` in a context of its own: `session` reads inside see what `token` stands for, and what is
   * written inside, from the same user's request to his next one.
   * @throws UsageError for a text that is no token.
   */
  withConsistency<T>(token: string | undefined, work: () => T): T {
    const { contexts, clock } = this.core;
    const given = token === undefined ? undefined : parseToken(token);
    return contexts.run(contexts.open(given, clock.monotonicMs()), work);
  }

  /** Nodes, pools and circuits as they are now; touches no server. */
  status(): DatabaseStatus {
    return this.core.status();
  }

  private get place(): CopyPlace {
    const { ambient } = this.core;
    const { scope } = ambient;
    return { pinned: scope, holding: ambient.holdingBeside(scope) };
  }

  private send(
    statement: Statement,
    options: QueryOptions,
    how: Pick<TripRequest, 'intent' | 'repeatable'>,
    caller: Caller<unknown>,
  ): void {
    const { ambient, classifier, desk } = this.core;
    const { scope } = ambient;
    const request: TripRequest = {
      statement,
      shape: scope === undefined ? classifier.shapeOf(statement.text) : undefined,
      intent: how.intent,
      wants: 'result',
      repeatable: how.repeatable,
      consistency: options.consistency,
      maxLagMs: options.maxLagMs,
      after: options.after,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      pinned: scope,
      priority: options.priority,
      holding: ambient.holdingBeside(scope),
    };
    desk.open(request, caller);
  }
}
