// The protocol of one session: what was asked, in order, and who gets each answer.
import type { Socket } from 'node:net';
import { Exchange } from './exchange.js';
import type { Question } from './exchange.js';
import { ExchangeQueue } from './exchange-queue.js';
import { FairReading } from './fair-reading.js';
import { MessageSplitter } from './message-splitter.js';
import { MessageWriter } from './message-writer.js';
import { forgetsStatements, isOfPreparedStatement, MESSAGE, readError } from './server-messages.js';
import { QuestionWriter } from './question-writer.js';
import { mayBeSeveral, StatementCache } from './statement-cache.js';

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
  /** What a question gave does not count, if it was run at all, for another one of its batch has failed. */
  readonly skipped: (exchange: Exchange) => void;
  /** What the server sends cannot be read any more. */
  readonly broken: () => void;
  /** The server has reported an error, before it is ready again. */
  readonly failing: (error: Error) => void;
}

/** What `ReadyForQuery` says of the session. */
export type ReadyStatus = 'I' | 'T' | 'E';

const NOTHING: readonly never[] = Object.freeze([]);

/**
 * Sends questions as they come, many in one write, and reads their answers in order. Each has a Sync of its own, so that
 * an error ends it alone; but for those of a batch. While it is {@link lend lent}, `pg` talks to the server.
 */
export class Conversation {
  /** Where the session stands, as the server said last. */
  status: ReadyStatus = 'I';
  private readonly cache: StatementCache;
  private readonly writer = new MessageWriter();
  private readonly questions: QuestionWriter;
  private readonly splitter: MessageSplitter;
  private readonly reading: FairReading;
  private readonly queue = new ExchangeQueue();
  /** The last one of a batch that has no Sync yet. */
  private batched: Exchange | undefined;
  private isLent = true;
  private isFlushing = false;
  private isOver = false;

  constructor(private readonly parts: ConversationParts) {
    this.cache = new StatementCache(parts.preparedMax);
    this.questions = new QuestionWriter(this.writer, this.cache, parts.keepsBackend);
    this.splitter = new MessageSplitter((type, buffer, at, end) =>
      this.received(type, buffer, at, end),
    );
    parts.socket.off('data', parts.pg);
    this.reading = new FairReading(parts.socket);
    parts.socket.on('data', (chunk: Buffer) => this.read(chunk));
  }

  /** Whether the session writes dates as ISO 8601 has them: for other ones `pg` has no parser, and gives null. */
  set hasIsoDates(hasIsoDates: boolean) {
    this.questions.hasIsoDates = hasIsoDates;
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

  /** Writes the Sync of what was asked to share one. */
  endBatch(): void {
    if (this.batched === undefined) return;
    this.batched.isJoined = false;
    this.batched = undefined;
    this.writer.sync();
  }

  /** The session is over: returns what was under way, the oldest first. */
  end(): Exchange[] {
    this.isOver = true;
    return this.queue.drain();
  }

  /** Several statements in one text go by the simple protocol, which has no way to stop at the preface. */
  private askAfter(question: Question, preface: readonly string[]): void {
    const replied = (error: Parameters<Question['reply']['replied']>[0]): void => {
      if (error === undefined) this.ask({ ...question, preface: NOTHING });
      else question.reply.replied(error, undefined);
    };
    const statement = { text: preface.join('; ') };
    const { departure } = question;
    this.ask({ statement, values: [], preface: NOTHING, reply: { replied }, departure });
  }

  private send(exchange: Exchange): void {
    try {
      this.write(exchange);
    } catch (error) {
      // A name that stands for another text: nothing was written for it.
      queueMicrotask(() => this.parts.answered(exchange, error as Error));
      return;
    }
    this.queue.push(exchange);
    if (exchange.question.departure === 'now' || exchange.isRepeated) this.flush();
    else if (!this.isFlushing) {
      this.isFlushing = true;
      // After all promises that the last answers have settled: what their callers ask next goes along.
      process.nextTick(this.flush);
    }
  }

  private readonly flush = (): void => {
    this.isFlushing = false;
    this.endBatch();
    const { socket } = this.parts;
    if (this.writer.size > 0 && !this.isOver) socket.write(this.writer.take());
  };

  private write(exchange: Exchange): void {
    this.questions.choose(exchange);
    const { isExtended, isRepeated, question } = exchange;
    const joins = isExtended && !isRepeated && question.departure === 'batch';
    if (!joins) this.endBatch();
    // Not in the middle of a batch: behind one that fails it would not be run.
    if (isExtended && this.batched === undefined) this.questions.closeForgotten();
    this.questions.write(exchange);
    if (joins) {
      exchange.isJoined = true;
      this.batched = exchange;
    } else if (isExtended) this.writer.sync();
  }

  private read(chunk: Buffer): void {
    this.splitter.feed(chunk);
    // What `pg` reads it may pause by itself.
    if (!this.isLent) this.reading.took(chunk.length);
  }

  private received(type: number, buffer: Buffer, at: number, end: number): void {
    const exchange = this.queue.current;
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
        if (exchange.completed(buffer, at, end)) this.queue.advance();
        if (forgetsStatements(buffer, at, end)) this.cache.clear();
        return;
      case MESSAGE.readyForQuery:
        this.ready(exchange);
        return;
      case MESSAGE.parseComplete:
        this.parsed(exchange);
        return;
      case MESSAGE.rowDescription:
        exchange.described(buffer, at, end);
        return;
      case MESSAGE.noData:
        exchange.prepared?.learn(undefined);
        return;
      case MESSAGE.error:
        this.failed(exchange, readError(buffer, at, end));
        return;
      case MESSAGE.emptyQuery:
        exchange.empty();
        this.queue.advance();
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
    exchange.isRefused = true;
    exchange.error ??= error;
    this.forgetParsing(exchange);
    this.parts.failing(error);
  }

  /** The server does not have what it has not confirmed. */
  private forgetParsing({ parsing }: Exchange): void {
    for (const statement of parsing ?? NOTHING) {
      if (statement !== undefined) this.cache.forget(statement);
    }
  }

  /**
   * `last` is the one that the server answered last. When it refuses that one, all of them are rolled back, and what a
   * transaction has read counts once it has ended well: under SERIALIZABLE it may have seen what never was.
   */
  private ready(last: Exchange): void {
    const isVoid = last.isRefused;
    for (const exchange of this.queue.takeSynced()) {
      exchange.next = undefined;
      // What is settled may be sent again, and is another question then.
      if (exchange === last || !isVoid) this.settle(exchange);
      else {
        this.forgetParsing(exchange);
        this.parts.skipped(exchange);
      }
    }
  }

  private settle(exchange: Exchange): void {
    const { error } = exchange;
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
    // Whoever was told before it in the same batch may have ended the session.
    if (isRepeated || this.isOver) return false;
    // A transaction has failed by it.
    return this.status === 'I' && exchange.question.preface.length === 0;
  }
}
