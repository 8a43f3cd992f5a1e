// One session on a server, by `pg.Client`.
import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ConnectionOptions } from 'node:tls';
import type { Client, Submittable as PgSubmittable } from 'pg';
import copyStreams from 'pg-copy-streams';
import { systemClock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Statement } from '../query/query.js';
import { SkippedError } from './driver.js';
import type {
  Connection,
  ConnectionTraits,
  Departure,
  Reply,
  SessionEvent,
  Submittable,
  TransactionStatus,
} from './driver.js';
import { prepareParameters } from './parameters.js';
import type { PreparedValue } from './parameters.js';
import { sendCancel } from './pg-cancel.js';
import { isAlive, partsOf, wireOf } from './pg-wire.js';
import {
  staleError,
  translateClientError,
  translateCopyError,
  translateQueryError,
} from './sqlstate.js';
import { Conversation } from './wire/conversation.js';
import type { ReadyStatus } from './wire/conversation.js';
import type { Exchange } from './wire/exchange.js';

const STATUS: Readonly<Record<ReadyStatus, TransactionStatus>> = {
  I: 'idle',
  T: 'open',
  E: 'failed',
};

const CUT_SHORT = 'the source was closed before its end';

const NONE: readonly never[] = Object.freeze([]);
/** Of a way that nobody knows anything about: a pooler may stand in it, so nothing is prepared unasked. */
const UNKNOWN_WAY: ConnectionTraits = { keepsBackend: () => true, preparedMax: 0 };

function goneError(reason: string): ConnectionError {
  const message = `The connection was lost before the statement was sent: ${reason}.`;
  return new ConnectionError(message, { safeToRetry: true, outage: true });
}

/** Not at once: whoever is told sends the next one, and thousands, one inside the other, would overflow the stack. */
function refuse(reply: Reply, error: DatabaseError): void {
  queueMicrotask(() => reply.replied(error, undefined));
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
  /** Undefined until the socket is there. */
  private conversation: Conversation | undefined;
  private standby: boolean | undefined;

  constructor(
    private readonly client: Client,
    private readonly address: Address,
    private readonly traits: ConnectionTraits = UNKNOWN_WAY,
  ) {
    client.on('error', (error) => this.lost(error.message));
    client.on('end', () => this.lost('the server closed the connection'));
    // `pg` has nothing more to ask, and the server is ready.
    client.on('drain', () => this.conversation?.takeBack());
    // Sent at the start of a session and again when it changes: the role of the server, at no round trip.
    wireOf(client).on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'in_hot_standby') this.standby = parameterValue === 'on';
      if (parameterName === 'DateStyle' && this.conversation !== undefined)
        this.conversation.hasIsoDates = parameterValue.startsWith('ISO');
    });
  }

  get isStandby(): boolean | undefined {
    return this.standby;
  }

  get backendPid(): number {
    return partsOf(this.client).processID ?? 0;
  }

  get transactionStatus(): TransactionStatus {
    return this.conversation === undefined ? 'unknown' : STATUS[this.conversation.status];
  }

  get isUsable(): boolean {
    return !this.closed;
  }

  get bytesRead(): number {
    return wireOf(this.client).stream.bytesRead;
  }

  /** The socket is there: from now on what comes from the server comes by way of this object. */
  adopt(): void {
    const { stream } = wireOf(this.client);
    const [pg] = stream.listeners('data') as Array<(chunk: Buffer) => void>;
    if (pg === undefined) throw new Error('pg does not listen to its socket.');
    this.conversation = new Conversation({
      ...this.traits,
      socket: stream,
      pg,
      answered: (exchange, error) => this.answered(exchange, error),
      skipped: ({ question }) => question.reply.replied(new SkippedError(), undefined),
      failing: (error) => this.failing(error),
      broken: () => this.destroy(),
    });
  }

  /** Takes bytes of the socket, unless `pg` talks to the server now. Keeps nothing of them. */
  takes(chunk: Buffer): boolean {
    return this.conversation?.takes(chunk) ?? false;
  }

  /** The session is there. */
  opened(): void {
    this.conversation?.takeBack();
  }

  execute(
    statement: Statement,
    reply: Reply,
    preface: readonly string[] = NONE,
    departure: Departure = 'now',
  ): void {
    const { conversation } = this;
    if (this.closed || conversation === undefined) {
      refuse(reply, goneError(this.closedBecause));
      return;
    }
    let values: readonly PreparedValue[] = NONE;
    try {
      if (statement.values !== undefined) values = prepareParameters(statement.values);
    } catch (error) {
      refuse(reply, error as DatabaseError);
      return;
    }
    conversation.ask({ statement, values, preface, reply, departure });
  }

  endBatch(): void {
    this.conversation?.endBatch();
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
    this.conversation?.lend();
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
    this.conversation?.lend();
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
    this.conversation?.lend();
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

  private answered({ question, outcome, isStale }: Exchange, error: Error | undefined): void {
    if (error === undefined) question.reply.replied(undefined, outcome);
    else question.reply.replied(isStale ? staleError(error) : this.translate(error), undefined);
  }

  /** A server that ends the session says why before it does. */
  private failing(error: Error): void {
    const failure = translateQueryError(error);
    if (failure instanceof ConnectionError) this.lost(failure.message, failure);
  }

  private lost(reason: string, failure?: DatabaseError): void {
    if (this.closed) return;
    this.closed = true;
    this.closedBecause = reason;
    // The first one was under way, and what the server said of it is the best account of what happened.
    const exchanges = this.conversation?.end() ?? NONE;
    for (const [index, { question, error }] of exchanges.entries()) {
      const own = error === undefined ? undefined : translateQueryError(error);
      const told = (index === 0 ? failure : undefined) ?? own;
      question.reply.replied(told ?? translateQueryError(new Error(reason)), undefined);
    }
    this.onClosed?.(reason);
  }
}
