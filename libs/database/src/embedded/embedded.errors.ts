// The one error of the embedded server: what failed, the server's own words, and the mend.
import { DatabaseError } from '../kernel/errors.js';

/** What an {@link EmbeddedPostgresError} knows beside its message. */
export interface EmbeddedPostgresFacts {
  /** What the reader can do about it: a command, an option, or a path to look at. */
  readonly mend: string;
  /** The last lines that `initdb` or the server wrote. */
  readonly logTail?: string;
  readonly cause?: unknown;
}

/** The embedded server could not be prepared, started, reused or stopped. Its message holds no secret. */
export class EmbeddedPostgresError extends DatabaseError {
  readonly code = 'DB_EMBEDDED';
  readonly mend: string;
  readonly logTail: string | undefined;

  constructor(problem: string, facts: EmbeddedPostgresFacts) {
    const said =
      facts.logTail === undefined || facts.logTail === ''
        ? ''
        : `\nThe server said:\n${indent(facts.logTail)}`;
    super(`${problem}. ${facts.mend}${said}`, { cause: facts.cause, safeToRetry: true });
    this.mend = facts.mend;
    this.logTail = facts.logTail;
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

/** The `code` of a system error such as `ENOENT`, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The SQLSTATE of a refusal by the server, or undefined. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.sqlState : undefined;
}
