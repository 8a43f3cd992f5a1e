// Our errors as users of `pg` expect them: `code` is the SQLSTATE, or the errno, and the other fields are there.
import { DatabaseError } from '../kernel/errors.js';

/** What `pg` tells beyond the fields of QueryError. */
const MORE_FIELDS = [
  'length',
  'where',
  'internalPosition',
  'internalQuery',
  'file',
  'line',
  'routine',
] as const;

/** The errno that the network gave, which `pg` hands on as `code`. */
function errnoOf(cause: unknown): string | undefined {
  if (cause instanceof DatabaseError) return undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * The error that another library gets. It is of the same class as `error`, with all its facts; only `code` is what
 * `pg` would give (`23505`, `ECONNREFUSED`), where the server or the network gave one. Call it inside an async function
 * that is awaited: the stack then leads to the code that sent the statement.
 */
export function asPgError(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const { cause, message } = error;
  const code = error.sqlState ?? errnoOf(cause);
  if (code === undefined) return error;
  const shown = new Error(message, { cause });
  Object.setPrototypeOf(shown, Object.getPrototypeOf(error) as object);
  const original = (cause ?? {}) as Record<string, unknown>;
  for (const field of MORE_FIELDS) {
    if (original[field] !== undefined) Object.assign(shown, { [field]: original[field] });
  }
  Object.assign(shown, error, { code });
  // TypeORM makes its message of this, and takes off the prefix that `pg` has.
  Object.defineProperty(shown, 'toString', { value: () => `error: ${message}` });
  Error.captureStackTrace(shown, asPgError);
  return shown;
}
