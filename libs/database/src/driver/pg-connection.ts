// One session on a server, by `pg.Client`.
import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ConnectionOptions } from 'node:tls';
import type { Client, QueryConfig, Submittable as PgSubmittable } from 'pg';
import copyStreams from 'pg-copy-streams';
import { systemClock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Statement } from '../query/query.js';
import type {
  Connection,
  ConnectionTraits,
  Reply,
  SessionEvent,
  Submittable,
  TransactionStatus,
} from './driver.js';
import { prepareParameters } from './parameters.js';
import { sendCancel } from './pg-cancel.js';
import { isAlive, partsOf, wireOf } from './pg-wire.js';
import { translateClientError, translateCopyError, translateQueryError } from './sqlstate.js';

const STATUS: Readonly<Record<string, TransactionStatus>> = { I: 'idle', T: 'open', E: 'failed' };

const CUT_SHORT = 'the source was closed before its end';

const NO_VALUES = Object.freeze([]) as unknown as unknown[];

/** What `pg` is asked. The text alone where it says all: of an object it makes a copy, property by property. */
function toQuery(statement: Statement, keepsBackend: boolean): string | QueryConfig {
  const { text, types } = statement;
  const name = keepsBackend ? statement.name : undefined;
  const isArray = statement.rowMode === 'array';
  if (name === undefined && !isArray && types === undefined) return text;
  return {
    text,
    ...(name === undefined ? {} : { name }),
    ...(isArray ? { rowMode: 'array' } : {}),
    ...(types === undefined ? {} : { types }),
  };
}

function goneError(reason: string): ConnectionError {
  const message = `The connection was lost before the statement was sent: ${reason}.`;
  return new ConnectionError(message, { safeToRetry: true, outage: true });
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** Where the session's server is, for a CancelRequest. */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly ssl: ConnectionOptions | false;
}

/** Wraps a client for its whole life: it never has an 'error' event without a listener. */
export class PgConnection implements Connection {
  onClosed: ((reason: string) => void) | undefined;
  private closed = false;
  private closedBecause = '';
  /** The statement under way; it gets its reply when the server is ready for the next one. */
  private reply: Reply | undefined;
  private failure: DatabaseError | undefined;
  private standby: boolean | undefined;

  constructor(
    private readonly client: Client,
    private readonly address: Address,
    private readonly traits: ConnectionTraits = { keepsBackend: () => true },
  ) {
    client.on('error', (error) => this.lost(error.message));
    client.on('end', () => this.lost('the server closed the connection'));
    // `pg` reports an error before the server is ready; 'drain' comes with its ReadyForQuery.
    client.on('drain', () => this.failedReplyIsDue());
    // Sent at the start of a session and again when it changes: the role of the server, at no round trip.
    wireOf(client).on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'in_hot_standby') this.standby = parameterValue === 'on';
    });
  }

  get isStandby(): boolean | undefined {
    return this.standby;
  }

  get backendPid(): number {
    return partsOf(this.client).processID ?? 0;
  }

  get transactionStatus(): TransactionStatus {
    return STATUS[partsOf(this.client).getTransactionStatus() ?? ''] ?? 'unknown';
  }

  get isUsable(): boolean {
    return !this.closed;
  }

  get bytesRead(): number {
    return wireOf(this.client).stream.bytesRead;
  }

  execute(statement: Statement, reply: Reply, preface: readonly string[] = []): void {
    let values = NO_VALUES;
    if (this.closed) {
      reply.replied(goneError(this.closedBecause), undefined);
      return;
    }
    try {
      if (statement.values !== undefined) values = prepareParameters(statement.values);
    } catch (error) {
      reply.replied(error as DatabaseError, undefined);
      return;
    }
    this.reply = reply;
    if (preface.length === 0) this.send(statement, values);
    else {
      this.client.query(preface.join('; '), (error: Error | null | undefined) => {
        if (error === undefined || error === null) this.send(statement, values);
        else this.failed(this.translate(error));
      });
    }
  }

  async cancel(timeoutMs: number): Promise<boolean> {
    const { processID, secretKey } = partsOf(this.client);
    if (this.closed || processID === null || secretKey === null) return true;
    // The address of this very socket: a name may resolve to another server by now.
    const { remoteAddress } = wireOf(this.client).stream;
    const host = remoteAddress ?? this.address.host;
    return sendCancel({ ...this.address, host, processId: processID, secretKey }, timeoutMs);
  }

  copyIn(text: string, source: Readable): Promise<number> {
    const sink = this.client.query(copyStreams.from(text));
    // The server answers the end that we give such a COPY with 57014, as if somebody had cancelled it.
    let isCutShort = source.destroyed;
    source.once('close', () => {
      isCutShort ||= !source.readableEnded && sink.errored === null;
    });
    const copying = pipeline(source, sink).catch((error: unknown) => {
      throw isCutShort && source.errored === null ? new Error(CUT_SHORT) : error;
    });
    return this.copied(copying, () => sink.rowCount);
  }

  copyOut(text: string, sink: Writable): Promise<number> {
    const source = this.client.query(copyStreams.to(text));
    return this.copied(pipeline(source, sink), () => source.rowCount);
  }

  async submit(submittable: Submittable): Promise<void> {
    let failure: DatabaseError | undefined;
    const handleError = submittable.handleError.bind(submittable);
    submittable.handleError = (error, wire) => {
      failure = this.translate(error);
      return handleError(failure, wire);
    };
    if (this.closed) {
      const error = goneError(this.closedBecause);
      handleError(error, wireOf(this.client));
      throw error;
    }
    const ready = this.becomesReady();
    this.client.query(submittable as PgSubmittable);
    await ready;
    if (failure !== undefined) throw failure;
  }

  listen(event: SessionEvent, listener: (message: never) => void): () => void {
    const target: EventEmitter = this.client;
    const received = listener as (message: unknown) => void;
    target.on(event, received);
    return () => void target.off(event, received);
  }

  async end(timeoutMs: number): Promise<void> {
    if (this.closed) return;
    const timer = systemClock.schedule(() => this.destroy(), timeoutMs, { keepsProcess: true });
    await this.client.end();
    timer.cancel();
  }

  destroy(): void {
    wireOf(this.client).stream.destroy();
    this.lost('the connection was destroyed');
  }

  private send(statement: Statement, values: unknown[]): void {
    // Typed as in @types/pg: the callback gets undefined instead of an error.
    const replied = (error: Error | undefined | null, result: unknown): void => {
      if (error === undefined || error === null) this.settle(undefined, result);
      else this.failed(this.translate(error));
    };
    // @types/pg has an overload for either kind of query, and none for both.
    const query = toQuery(statement, this.traits.keepsBackend()) as string;
    this.client.query(query, values, replied);
  }

  /** After a failure midway nobody knows what the protocol waits for: the connection is given up. */
  private async copied(copying: Promise<void>, rowCount: () => number): Promise<number> {
    const ready = this.becomesReady();
    try {
      await copying;
    } catch (error) {
      const isLost = this.closed || wireOf(this.client).stream.destroyed;
      this.destroy();
      // Lost at its very end it may be stored: only a COPY that was broken off by us or refused surely is not.
      throw isLost ? translateQueryError(new Error(this.closedBecause)) : translateCopyError(error);
    }
    await ready;
    return rowCount();
  }

  /** Resolves when the statement under way is over, or the connection is. */
  private becomesReady(): Promise<void> {
    const { client } = this;
    return new Promise((resolve) => {
      const over = (): void => {
        client.off('drain', over);
        client.off('end', over);
        resolve();
      };
      client.on('drain', over);
      client.on('end', over);
    });
  }

  /** An error that is not the server's, on a connection that lives, is one of the client's own. */
  private translate(error: Error): DatabaseError {
    return isAlive(this.client) ? translateClientError(error) : translateQueryError(error);
  }

  private failed(error: DatabaseError): void {
    this.failure = error;
    if (this.closed) this.settle(error, undefined);
    else if (error instanceof ConnectionError) this.lost(error.message);
  }

  private failedReplyIsDue(): void {
    if (this.failure !== undefined) this.settle(this.failure, undefined);
  }

  private settle(error: DatabaseError | undefined, result: unknown): void {
    const { reply } = this;
    this.reply = undefined;
    this.failure = undefined;
    reply?.replied(error, result);
  }

  private lost(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.closedBecause = reason;
    // An error that waited for ReadyForQuery is still the best account of what happened.
    if (this.reply !== undefined) {
      this.settle(this.failure ?? translateQueryError(new Error(reason)), undefined);
    }
    this.onClosed?.(reason);
  }
}
