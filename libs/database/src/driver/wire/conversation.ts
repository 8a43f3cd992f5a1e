// The protocol of one session: what was asked, in order, and who gets each answer.
import type { Socket } from 'node:net';
import { Exchange } from './exchange.js';
import type { Question } from './exchange.js';
import { FairReading } from './fair-reading.js';
import { MessageSplitter } from './message-splitter.js';
import { MessageWriter } from './message-writer.js';
import { forgetsStatements, isOfPreparedStatement, MESSAGE, readError } from './server-messages.js';
import { mayBeSeveral, StatementCache } from './statement-cache.js';
import type { PreparedStatement } from './statement-cache.js';

/** What a conversation works with. */
export interface ConversationParts {
  readonly socket: Socket;
  /** The listener of `pg` for what comes from the socket. */
  readonly pg: (chunk: Buffer) => void;
  /** Most statements that are prepared without being asked for; 0 for none. */
  readonly preparedMax: number;
  /** False where a statement may meet another backend than the one before it. */
  readonly keepsBackend: () => boolean;
  /** A question is answered; `error` is the server's, or one of a parser of values. */
  readonly answered: (exchange: Exchange, error: Error | undefined) => void;
  /** What the server sends cannot be read any more. */
  readonly broken: () => void;
  /** The server has reported an error, before it is ready again. */
  readonly failing: (error: Error) => void;
}

/** What `ReadyForQuery` says of the session. */
export type ReadyStatus = 'I' | 'T' | 'E';

const NO_PREFACE: readonly string[] = Object.freeze([]);

/**
 * Sends questions as they come, many in one write, and reads their answers in order. Each has a Sync of its own, so that
 * an error ends it alone. While it is {@link lend lent}, `pg` talks to the server.
 */
export class Conversation {
  /** Where the session stands, as the server said last. */
  status: ReadyStatus = 'I';
  /** Whether the session writes dates as ISO 8601 has them: for other ones `pg` has no parser, and gives null. */
  hasIsoDates = true;
  private readonly cache: StatementCache;
  private readonly writer = new MessageWriter();
  private readonly splitter: MessageSplitter;
  private readonly reading: FairReading;
  private head: Exchange | undefined;
  private tail: Exchange | undefined;
  private isLent = true;
  private isFlushing = false;
  private isOver = false;

  constructor(private readonly parts: ConversationParts) {
    this.cache = new StatementCache(parts.preparedMax);
    this.splitter = new MessageSplitter((type, buffer, at, end) =>
      this.received(type, buffer, at, end),
    );
    parts.socket.off('data', parts.pg);
    this.reading = new FairReading(parts.socket);
    parts.socket.on('data', (chunk: Buffer) => this.read(chunk));
  }

  /** Reads what came from the socket; false while it is lent, for `pg` may keep what it is given. */
  takes(chunk: Buffer): boolean {
    if (this.isLent) return false;
    this.read(chunk);
    return true;
  }

  /** Leaves the session to `pg` until {@link takeBack}. Nothing may be under way. */
  lend(): void {
    this.isLent = true;
  }

  /** `pg` has finished, and the server is ready. */
  takeBack(): void {
    this.isLent = false;
  }

  /** Sends a question behind those that are under way. */
  ask(question: Question): void {
    const { preface, values, statement } = question;
    if (preface.length > 0 && values.length === 0 && mayBeSeveral(statement.text))
      this.askAfter(question, preface);
    else this.send(new Exchange(question));
  }

  /** The session is over: returns what was under way, the oldest first. */
  end(): Exchange[] {
    const left: Exchange[] = [];
    for (let exchange = this.head; exchange !== undefined; exchange = exchange.next) {
      left.push(exchange);
    }
    this.head = this.tail = undefined;
    this.isOver = true;
    return left;
  }

  /** Several statements in one text go by the simple protocol, which has no way to stop at the preface. */
  private askAfter(question: Question, preface: readonly string[]): void {
    const replied = (error: Parameters<Question['reply']['replied']>[0]): void => {
      if (error === undefined) this.ask({ ...question, preface: NO_PREFACE });
      else question.reply.replied(error, undefined);
    };
    const statement = { text: preface.join('; ') };
    const { together } = question;
    this.ask({ statement, values: [], preface: NO_PREFACE, reply: { replied }, together });
  }

  private send(exchange: Exchange): void {
    try {
      this.write(exchange);
    } catch (error) {
      // A name that stands for another text: nothing was written for it.
      queueMicrotask(() => this.parts.answered(exchange, error as Error));
      return;
    }
    if (this.tail === undefined) this.head = exchange;
    else this.tail.next = exchange;
    this.tail = exchange;
    if (!exchange.question.together) this.flush();
    else if (!this.isFlushing) {
      this.isFlushing = true;
      // After all promises that the last answers have settled: what their callers ask next goes along.
      process.nextTick(this.flush);
    }
  }

  private readonly flush = (): void => {
    this.isFlushing = false;
    const { socket } = this.parts;
    if (this.writer.size > 0 && !this.isOver) socket.write(this.writer.take());
  };

  private write(exchange: Exchange): void {
    const { statement, values, preface } = exchange.question;
    const { text, name } = statement;
    const keeps = this.parts.keepsBackend();
    const prepared = this.findPrepared(text, keeps ? name : undefined, keeps, values.length > 0);
    if (prepared === undefined && values.length === 0 && preface.length === 0) {
      exchange.isExtended = false;
      this.writer.query(text);
      return;
    }
    // Closing what the server does not have is no error.
    for (const closed of this.cache.takeClosing()) this.writer.closeStatement(closed);
    for (const command of preface) {
      const known = keeps ? this.cache.find(command) : undefined;
      this.writeParse(exchange, known, command);
      this.writer.bind(known?.name ?? '', []);
      this.writer.execute();
    }
    this.writeParse(exchange, prepared, text);
    exchange.prepared = prepared;
    prepared?.refresh();
    if (this.hasIsoDates && statement.types === undefined) exchange.formats = prepared?.formats;
    this.writer.bind(prepared?.name ?? '', values, exchange.formats);
    if (prepared?.isDescribed !== true) this.writer.describePortal();
    this.writer.execute();
    this.writer.sync();
  }

  private findPrepared(
    text: string,
    name: string | undefined,
    keepsBackend: boolean,
    hasValues: boolean,
  ): PreparedStatement | undefined {
    if (name !== undefined) return this.cache.named(name, text);
    if (!keepsBackend || (!hasValues && mayBeSeveral(text))) return undefined;
    return this.cache.find(text);
  }

  private writeParse(
    exchange: Exchange,
    prepared: PreparedStatement | undefined,
    text: string,
  ): void {
    if (prepared === undefined) this.writer.parse('', text);
    else if (!prepared.isSent) {
      prepared.isSent = true;
      (exchange.parsing ??= []).push(prepared);
      this.writer.parse(prepared.name, text);
    }
  }

  private read(chunk: Buffer): void {
    this.splitter.feed(chunk);
    // What `pg` reads it may pause by itself.
    if (!this.isLent) this.reading.took(chunk.length);
  }

  private received(type: number, buffer: Buffer, at: number, end: number): void {
    const exchange = this.head;
    if (type === MESSAGE.readyForQuery) {
      this.status = String.fromCharCode(buffer[at] ?? 0) as ReadyStatus;
    }
    if (this.isLent || exchange === undefined) {
      if (!this.isOver) this.parts.pg(buffer.subarray(at - 5, end));
      return;
    }
    switch (type) {
      case MESSAGE.dataRow:
        if (!exchange.row(buffer, at)) this.parts.broken();
        return;
      case MESSAGE.bindComplete:
        return;
      case MESSAGE.commandComplete:
        exchange.completed(buffer, at, end);
        if (forgetsStatements(buffer, at, end)) this.cache.clear();
        return;
      case MESSAGE.readyForQuery:
        this.ready(exchange);
        return;
      case MESSAGE.parseComplete:
        this.parsed(exchange);
        return;
      case MESSAGE.rowDescription:
        exchange.described(buffer, at);
        return;
      case MESSAGE.noData:
        exchange.prepared?.learn(undefined);
        return;
      case MESSAGE.error:
        this.failed(exchange, readError(buffer, at, end));
        return;
      case MESSAGE.emptyQuery:
        exchange.empty();
        return;
      case MESSAGE.copyIn:
        this.refuseCopy(exchange);
        return;
      case MESSAGE.closeComplete:
      case MESSAGE.copyOut:
      case MESSAGE.copyData:
      case MESSAGE.copyDone:
      case MESSAGE.portalSuspended:
        return;
      default:
        // Notices, notifications, parameters of the session.
        this.parts.pg(buffer.subarray(at - 5, end));
    }
  }

  private parsed(exchange: Exchange): void {
    exchange.parsing?.shift();
  }

  /** COPY FROM STDIN without a source would wait for ever. The server ignores a Sync until it has the end of the data. */
  private refuseCopy({ isExtended }: Exchange): void {
    this.writer.copyFail('No source stream defined');
    if (isExtended) this.writer.sync();
    this.flush();
  }

  private failed(exchange: Exchange, error: Error): void {
    exchange.error ??= error;
    // The server does not have what it has not confirmed.
    for (const statement of exchange.parsing ?? []) this.cache.forget(statement);
    this.parts.failing(error);
  }

  private ready(exchange: Exchange): void {
    const { error } = exchange;
    this.head = exchange.next;
    if (this.head === undefined) this.tail = undefined;
    exchange.next = undefined;
    if (error !== undefined && this.mayRepeat(exchange, error)) {
      exchange.reset();
      this.send(exchange);
    } else this.parts.answered(exchange, error);
  }

  /** The server had lost the statement, or its columns have changed: parsed again it works. Nothing was run. */
  private mayRepeat(exchange: Exchange, error: Error): boolean {
    const { prepared, isRepeated } = exchange;
    if (prepared === undefined || !isOfPreparedStatement(error)) return false;
    this.cache.forget(prepared);
    exchange.isStale = !prepared.isNamed;
    // A transaction has failed by it.
    return !isRepeated && this.status === 'I' && exchange.question.preface.length === 0;
  }
}
