// What a fake server answers.
import type { DatabaseError } from '../kernel/errors.js';

/** How a fake server answers one statement. What is left out is the answer of a statement that finds nothing. */
export interface FakeAnswer {
  readonly rows?: ReadonlyArray<Record<string, unknown>>;
  /** @default the number of rows */
  readonly rowCount?: number;
  /** Fails the statement; the connection stands. */
  readonly error?: DatabaseError;
  /** Ends the connection instead of answering, for this reason. */
  readonly loses?: string;
  /** Time the statement takes, in ms of the fake clock. @default it is answered as soon as promises settle */
  readonly afterMs?: number;
  /** The statement runs until it is cancelled, or answered by {@link FakeConnection.answer}. */
  readonly hangs?: boolean;
  /** A CancelRequest has no effect on it. */
  readonly ignoresCancel?: boolean;
}
