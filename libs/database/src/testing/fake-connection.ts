// A connection for tests: answers from a script, takes the time the test gives it, remembers what it was asked.
import { Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock, Timer } from '../kernel/clock.js';
import { ConnectionError, QueryAbortedError, UsageError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { SkippedError } from '../driver/driver.js';
import type {
  Connection,
  Departure,
  Reply,
  SessionEvent,
  TransactionStatus,
} from '../driver/driver.js';
import { prepareParameters } from '../driver/parameters.js';
import type { Statement } from '../query/query.js';
import type { FakeAnswer } from './fake-answer.js';
import { FakeBatch } from './fake-batch.js';
import { FakeSession } from './fake-session.js';

/** Decides what a statement is answered; undefined is an empty answer. */
export type FakeScript = (
  statement: Statement,
  connection: FakeConnection,
) => FakeAnswer | undefined;

/** What a connection is given. */
export interface FakeConnectionParts {
  readonly backendPid: number;
  readonly clock: Clock;
  readonly script: FakeScript;
  /** Time of saying goodbye, in ms of the clock. */
  readonly endMs: number;
  /** Time a CancelRequest is on its way, in ms of the clock; it hits whatever runs when it arrives. */
  readonly cancelMs: number;
}

/** A statement that follows the one under way. */
interface Question {
  readonly statement: Statement;
  readonly reply: Reply;
  readonly preface: readonly string[];
  readonly batch: FakeBatch | undefined;
}

/** A statement under way. */
interface Running {
  readonly statement: Statement;
  readonly reply: Reply;
  readonly ignoresCancel: boolean;
  timer: Timer | undefined;
}

function lostError(reason: string): ConnectionError {
  const message = `The connection was lost while the statement ran (${reason}); whether it took effect is unknown.`;
  return new ConnectionError(message, { safeToRetry: false, outage: true });
}

/** One session on a server that does not exist. Keeps the contract of a driver, and proves nothing about PostgreSQL. */
export class FakeConnection implements Connection {
  onClosed: ((reason: string) => void) | undefined;
  /** What was executed, the oldest first. */
  readonly statements: Statement[] = [];
  /** CancelRequests received. */
  cancels = 0;
  /** Most statements that ever waited for their answer at a time. */
  mostUnderWay = 0;
  /** What the server says of itself; a test may make it a standby. */
  isStandby: boolean | undefined;
  /** Grows with every answer; a test may let it stand still. */
  bytesRead = 0;
  private readonly session = new FakeSession();
  private readonly listeners = new Map<SessionEvent, Set<(message: never) => void>>();
  private running: Running | undefined;
  /** What follows, in its order. */
  private readonly behind: Question[] = [];
  private batch: FakeBatch | undefined;
  private closedBecause: string | undefined;

  constructor(private readonly parts: FakeConnectionParts) {}

  get backendPid(): number {
    return this.parts.backendPid;
  }

  get transactionStatus(): TransactionStatus {
    return this.session.status;
  }

  get isUsable(): boolean {
    return this.closedBecause === undefined;
  }

  /** The text under way; undefined while the connection rests. */
  get runningText(): string | undefined {
    return this.running?.statement.text;
  }

  /** Each text of `preface` is a statement of its own here, answered by the script in its turn. */
  execute(
    statement: Statement,
    reply: Reply,
    preface: readonly string[] = [],
    departure: Departure = 'now',
  ): void {
    if (departure !== 'batch') this.endBatch();
    const refusal = this.refusalOf(statement);
    if (refusal !== undefined) {
      queueMicrotask(() => reply.replied(refusal, undefined));
      return;
    }
    const batch = departure === 'batch' ? this.openBatch() : undefined;
    this.behind.push({ statement, reply: batch?.join(reply) ?? reply, preface, batch });
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    this.goOn();
  }

  endBatch(): void {
    const { batch } = this;
    this.batch = undefined;
    batch?.close();
  }

  /** Statements that wait for their answer. */
  get underWay(): number {
    return this.behind.length + (this.running === undefined ? 0 : 1);
  }

  /** Answers the statement under way, now. */
  answer(answer: FakeAnswer = {}): void {
    const { running } = this;
    if (running === undefined) return;
    if (answer.loses !== undefined) {
      this.lose(answer.loses);
      return;
    }
    running.timer?.cancel();
    this.bytesRead++;
    const [error, result] = this.session.answer(running.statement.text, answer);
    this.running = undefined;
    running.reply.replied(error, result);
    this.goOn();
  }

  /** Ends the session from the other side: the server, or the network. */
  lose(reason: string): void {
    if (this.closedBecause !== undefined) return;
    this.closedBecause = reason;
    this.endBatch();
    const { running } = this;
    this.running = undefined;
    running?.timer?.cancel();
    running?.reply.replied(lostError(reason), undefined);
    for (const { reply } of this.behind.splice(0)) reply.replied(lostError(reason), undefined);
    this.onClosed?.(reason);
    this.tell('end', undefined);
  }

  async cancel(timeoutMs: number): Promise<boolean> {
    if (!this.isUsable) return true;
    this.cancels++;
    const { clock, cancelMs } = this.parts;
    if (cancelMs > 0) await clock.sleep(Math.min(cancelMs, timeoutMs));
    else await Promise.resolve();
    if (cancelMs > timeoutMs) return false;
    if (this.running === undefined || this.running.ignoresCancel) return true;
    this.answer({
      error: new QueryAbortedError('The server cancelled the statement.', { sqlState: '57014' }),
    });
    return true;
  }

  /** Counts the lines; when the source fails, the connection is given up. */
  async copyIn(text: string, source: Readable): Promise<number> {
    this.requireUsable(text);
    let lines = 0;
    try {
      for await (const chunk of source) lines += String(chunk).split('\n').length - 1;
    } catch (cause) {
      this.destroy();
      const message = `The COPY was broken off: ${cause instanceof Error ? cause.message : String(cause)}.`;
      throw new QueryError(message, { cause });
    }
    return lines;
  }

  /** Writes the rows of the script's answer, values separated by tabs. */
  async copyOut(text: string, sink: Writable): Promise<number> {
    this.requireUsable(text);
    const rows = this.parts.script({ text }, this)?.rows ?? [];
    const lines = rows.map((row) => `${Object.values(row).join('\t')}\n`);
    await pipeline(Readable.from(lines), sink);
    return rows.length;
  }

  /** @throws UsageError always: there is no protocol behind this connection. */
  async submit(): Promise<void> {
    throw new UsageError('A FakeConnection speaks no protocol: test submittables on a server.');
  }

  listen(event: SessionEvent, listener: (message: never) => void): () => void {
    const known = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, known.add(listener));
    return () => void known.delete(listener);
  }

  /** Sends a notification or a notice to whoever listens. */
  tell(event: SessionEvent, message: unknown): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener(message as never);
  }

  async end(timeoutMs: number): Promise<void> {
    if (!this.isUsable) return;
    const { clock, endMs } = this.parts;
    if (this.running === undefined && endMs > 0) await clock.sleep(Math.min(endMs, timeoutMs));
    else await Promise.resolve();
    this.lose('the server closed the connection');
  }

  destroy(): void {
    this.lose('the connection was destroyed');
  }

  /** Takes the next statement up when none is under way. */
  private goOn(): void {
    if (this.running !== undefined || this.closedBecause !== undefined) return;
    const question = this.behind.shift();
    if (question === undefined) return;
    if (question.batch?.hasFailed !== true) this.begin(question);
    else {
      question.reply.replied(new SkippedError(), undefined);
      this.goOn();
    }
  }

  private openBatch(): FakeBatch {
    if (this.batch === undefined) {
      const batch = new FakeBatch();
      this.batch = batch;
      process.nextTick(() => {
        if (this.batch === batch) this.endBatch();
      });
    }
    return this.batch;
  }

  private begin({ statement, reply, preface: [text, ...rest], batch }: Question): void {
    if (text === undefined) {
      this.ask(statement, reply);
      return;
    }
    const replied: Reply['replied'] = (error) => {
      if (error === undefined) this.begin({ statement, reply, preface: rest, batch });
      else reply.replied(error, undefined);
    };
    this.ask({ text }, { replied });
  }

  private ask(statement: Statement, reply: Reply): void {
    this.statements.push(statement);
    const answer = this.parts.script(statement, this) ?? {};
    const running: Running = {
      statement,
      reply,
      ignoresCancel: answer.ignoresCancel ?? false,
      timer: undefined,
    };
    this.running = running;
    if (answer.hangs === true) return;
    const deliver = (): void => {
      if (this.running === running) this.answer(answer);
    };
    if (answer.afterMs === undefined) queueMicrotask(deliver);
    else running.timer = this.parts.clock.schedule(deliver, answer.afterMs);
  }

  private refusalOf(statement: Statement): DatabaseError | undefined {
    if (this.closedBecause !== undefined) {
      const message = `The connection was lost before the statement was sent: ${this.closedBecause}.`;
      return new ConnectionError(message, { safeToRetry: true, outage: true });
    }
    try {
      prepareParameters(statement.values ?? []);
      return undefined;
    } catch (error) {
      return error as DatabaseError;
    }
  }

  private requireUsable(text: string): void {
    this.statements.push({ text });
    if (this.closedBecause !== undefined) throw lostError(this.closedBecause);
  }
}
