// A client of the pool facade: a `pg.PoolClient` as far as its users look.
import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../kernel/clock.js';
import { ConnectionError, UsageError } from '../kernel/errors.js';
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import type { Caller } from '../query/trip.js';
import type { ForeignGuard } from '../transaction/foreign-guard.js';
import { answer, asked, isSubmittable, readCall } from './pg-call.js';
import { asPgError } from './pg-error.js';
import type { PgCallback, PgQueryConfig, PgResult, PgSubmittable } from './pg-pool.types.js';
import type { PgSeat } from './pg-seat.js';

/** What the clients of a pool work with. */
export interface PgPoolClientParts {
  readonly clock: Clock;
  readonly guard: ForeignGuard;
  /** Limit of a statement that sets none, in ms; undefined leaves it to the pool. */
  readonly timeoutMs?: (() => number | undefined) | undefined;
  /** The only user of a connection has given it back. */
  readonly released: (client: PgPoolClient, error: unknown, destroyed: boolean) => void;
}

type Talking = Parameters<Lease['connection']['submit']>[0] & { readonly text?: unknown };

/** A cursor may be read slowly; it holds its connection all the time. */
const SUBMITTABLE_TIMEOUT_MS = 3_600_000;
/** A cursor that is still open this long after the release of its client is broken off, in ms. */
const OPEN_CURSOR_GRACE_MS = 1_000;

type Listener = Parameters<EventEmitter['on']>[1];

const STATUS = { idle: 'I', open: 'T', failed: 'E', unknown: null } as const;

/**
 * One checked out client. Statements given at the same time run one after the other. It is good until its release;
 * then it throws, whoever has the connection by then.
 */
export class PgPoolClient extends EventEmitter {
  private isReleased = false;
  private readonly cursors: AbortController[] = [];
  private grace: Timer | undefined;
  /** What it has had listeners for. */
  private readonly heard: Array<string | symbol> = [];

  constructor(
    private readonly seat: PgSeat,
    private readonly parts: PgPoolClientParts,
  ) {
    super();
  }

  override on(event: string | symbol, listener: Listener): this {
    this.hear(event);
    return super.on(event, listener);
  }

  override addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener);
  }

  override prependListener(event: string | symbol, listener: Listener): this {
    this.hear(event);
    return super.prependListener(event, listener);
  }

  /**
   * Process id of the backend; null while the client has no connection. From the first look on it keeps the one that
   * its next statement takes.
   */
  get processID(): number | null {
    const { seat } = this;
    if (!this.isReleased) seat.keep();
    return seat.lease?.facts().backendPid ?? null;
  }

  query<T extends PgSubmittable>(submittable: T): T;
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    values?: readonly unknown[],
  ): Promise<PgResult<Row>>;
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    callback: PgCallback<Row>,
  ): void;
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    values: readonly unknown[],
    callback: PgCallback<Row>,
  ): void;
  /** Never called: lets the type checker take this for a client of `pg`. */
  query(...args: never[]): never;
  query(...args: unknown[]): unknown {
    const call = readCall(args);
    if (call instanceof UsageError) return Promise.reject(call);
    const { what, callback, timeoutMs } = call;
    if (!isSubmittable(what)) {
      const promise = asked((caller) => this.send(what, timeoutMs, caller));
      return answer(promise, callback);
    }
    if (callback !== undefined) (what as { callback?: unknown }).callback ??= callback;
    void this.submit(what as PgSubmittable & Talking);
    return what;
  }

  /**
   * Gives the client back. An error costs the connection nothing, for its state is known; `true` gives it up.
   * @throws UsageError at the second call.
   */
  readonly release = (error?: unknown): void => {
    if (this.isReleased) {
      throw new UsageError('Release called on client which has already been released to the pool.');
    }
    this.isReleased = true;
    if (this.cursors.length > 0) this.breakOffLater();
    const { isOwn } = this.seat;
    const destroys = error === true && isOwn;
    this.seat.leave(destroys);
    if (isOwn) this.parts.released(this, error, destroys);
  };

  escapeIdentifier(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
  }

  escapeLiteral(value: string): string {
    const escaped = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
    return value.includes('\\') ? ` E${escaped}` : escaped;
  }

  /** As the server said last: outside a transaction, inside one, inside a failed one. */
  getTransactionStatus(): 'I' | 'T' | 'E' | null {
    return STATUS[this.seat.lease?.transactionStatus ?? 'idle'];
  }

  private send(what: Statement, timeoutMs: number | undefined, caller: Caller<PgResult>): void {
    this.requireHeld();
    this.requireOwn(what.text);
    this.seat.run(what, timeoutMs ?? this.parts.timeoutMs?.(), caller);
  }

  private requireOwn(text: string): void {
    const { seat } = this;
    const refusal = this.parts.guard.refusal(seat.lease ?? seat, text);
    if (refusal !== undefined) throw refusal;
  }

  private requireHeld(): void {
    if (!this.isReleased) return;
    throw new UsageError('The client was used after its release. Take another one by connect().');
  }

  /** The submittable talks to the server when its turn comes; others wait until it has finished. */
  private async submit(submittable: Talking): Promise<void> {
    const handleError = submittable.handleError.bind(submittable);
    // Once it talks to the server, it hears of errors there: told here, a cursor would end as if it had no more rows.
    let isSubmitted = false;
    submittable.handleError = (error, wire) => handleError(asPgError(error) as Error, wire);
    const abort = new AbortController();
    this.cursors.push(abort);
    const text = typeof submittable.text === 'string' ? submittable.text : '(cursor or stream)';
    try {
      this.requireHeld();
      this.requireOwn(text);
      await this.seat.work({
        statement: { text },
        work: (connection) => {
          isSubmitted = true;
          return connection.submit(submittable);
        },
        timeoutMs: SUBMITTABLE_TIMEOUT_MS,
        signal: abort.signal,
      });
    } catch (error) {
      if (!isSubmitted) submittable.handleError(error as Error);
    }
    this.cursors.splice(this.cursors.indexOf(abort), 1);
    if (this.cursors.length === 0) this.grace?.cancel();
  }

  private breakOffLater(): void {
    this.grace = this.parts.clock.schedule(() => {
      for (const abort of this.cursors) abort.abort(new UsageError('Its client was released.'));
    }, OPEN_CURSOR_GRACE_MS);
  }

  /** Listens to the session from the first listener on. Who shares a connection hears of its end by his statements. */
  private hear(event: string | symbol): void {
    const { seat } = this;
    if (this.isReleased || this.heard.includes(event)) return;
    this.heard.push(event);
    if (event === 'notification' || event === 'notice') {
      const told = (message: never): void => void this.emit(event, message);
      // They come from one session: that is not given back for another one.
      seat.keep();
      seat.listen(event, told);
    } else if (seat.isOwn && (event === 'error' || event === 'end')) {
      seat.listen('end', () => this.ended(event));
    }
  }

  /** Without a listener there is no 'error': nobody shall crash for an idle client. */
  private ended(event: 'error' | 'end'): void {
    const error = new ConnectionError('The connection was lost while a client had it.', {
      outage: true,
    });
    if (event === 'end') this.emit('end');
    else if (this.listenerCount('error') > 0) this.emit('error', error);
  }
}
