// The port to a PostgreSQL driver: what the upper floors may ask of a connection.
import type { Readable, Writable } from 'node:stream';
import { DatabaseError } from '../kernel/errors.js';
import type { Statement } from '../query/query.js';
import type { ConnectionTarget } from './target.js';

/** Where the server says the session stands: outside a transaction, inside one, inside a failed one. */
export type TransactionStatus = 'idle' | 'open' | 'failed' | 'unknown';

/** Gets the answer to one statement, exactly once, after the server is ready for the next one; never while it is given. */
export interface Reply {
  replied(error: DatabaseError | undefined, result: unknown): void;
}

/**
 * When a statement leaves: at once; at the end of this turn of the event loop, with what else was given until then in one
 * write; or so in a batch, which is for statements that only read.
 */
export type Departure = 'now' | 'turn' | 'batch';

/** A statement of another library that speaks the protocol by itself: a cursor, a query stream, a COPY stream. */
export interface Submittable {
  submit(wire: unknown): unknown;
  handleError(error: Error, wire?: unknown): unknown;
}

/** Another statement of a batch has failed, and all of them are rolled back. Never told to a caller: who sends batches sends it again. */
export class SkippedError extends DatabaseError {
  readonly code = 'DB_SKIPPED';

  constructor() {
    super('Another statement of the same batch has failed, so this one does not count.', {
      safeToRetry: true,
    });
  }
}

/** What a session tells by itself; `end` comes once, when it is over. */
export type SessionEvent = 'notification' | 'notice' | 'end';

/** One session on a server. Runs one statement after the other. Its errors are already translated. */
export interface Connection {
  readonly backendPid: number;
  readonly transactionStatus: TransactionStatus;
  /** False once the socket is gone, or the protocol is in a state that nobody knows. */
  readonly isUsable: boolean;
  /** Whether the server is a standby, by its own word; undefined where it does not say (before PostgreSQL 14). */
  readonly isStandby: boolean | undefined;
  /** Bytes that came from the server so far; stands still on a dead line. */
  readonly bytesRead: number;
  /** Called once when the connection is lost or closed. */
  onClosed: ((reason: string) => void) | undefined;
  /**
   * Sends a statement, behind those that are under way; the answers come in order. The texts of `preface` (one command
   * each) go ahead of it in the same round trip; when one of them fails, neither the rest nor the statement is run, and
   * its failure is the answer. Those of a batch are one transaction to the server and answered together, when the last of
   * them has run; when one fails, it alone is answered by its failure, and all others by {@link SkippedError}.
   */
  execute(
    statement: Statement,
    reply: Reply,
    preface?: readonly string[],
    departure?: Departure,
  ): void;
  /** Ends the batch: what follows is of another one. So does what leaves otherwise, and the end of the turn. */
  endBatch(): void;
  /**
   * Asks the server to cancel what runs. Resolves to true when the server has closed the cancel socket: until then
   * the request may still hit the next statement. False when it was sent and the close was not seen, by `timeoutMs`
   * or for a broken socket: it may hit whatever this session runs from now on.
   */
  cancel(timeoutMs: number): Promise<boolean>;
  /**
   * Runs `COPY ... FROM STDIN` and resolves with the rows when the server is ready again. When the source
   * fails midway nothing is stored, and the connection is given up.
   */
  copyIn(text: string, source: Readable): Promise<number>;
  /** Runs `COPY ... TO STDOUT` into `sink`, at the pace of `sink`; resolves with the rows. */
  copyOut(text: string, sink: Writable): Promise<number>;
  /**
   * Lets a submittable talk to the server, and resolves when the server is ready again. What goes wrong is
   * told to the submittable too, translated.
   */
  submit(submittable: Submittable): Promise<void>;
  /** Notifications, notices and the end of the session; for other libraries' clients. */
  listen(event: SessionEvent, listener: (message: never) => void): () => void;
  /** Says goodbye; destroys the socket when that takes longer than `timeoutMs`. */
  end(timeoutMs: number): Promise<void>;
  /** Drops the socket at once. */
  destroy(): void;
}

/** What is known of the way to a server, and may be learned after a connection was opened. */
export interface ConnectionTraits {
  /** False where a statement may meet another backend than the one before it: nothing is prepared there. */
  readonly keepsBackend: () => boolean;
  /** Most statements that a session prepares without being asked for, the least recently used one goes; 0 for none. */
  readonly preparedMax: number;
}

/** Opens connections. */
export interface Driver {
  /** @throws ConnectionError, whose `transient` tells whether asking again may help. */
  connect(
    target: ConnectionTarget,
    timeoutMs: number,
    traits?: ConnectionTraits,
  ): Promise<Connection>;
}
