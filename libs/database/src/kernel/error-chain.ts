// Finds our error inside the errors of other libraries.
import { DatabaseError } from './errors.js';

/** Wrappers around wrappers; a longer chain is a circle. */
const MAX_DEPTH = 8;

/**
 * The outermost error of this library in a chain of wrappers: `driverError` (TypeORM's QueryFailedError) or `cause`
 * (Drizzle, applications). An error of this library is its own answer.
 */
export function findDatabaseError(error: unknown): DatabaseError | undefined {
  let at = error;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (at instanceof DatabaseError) return at;
    if (!(at instanceof Error)) return undefined;
    at = (at as { driverError?: unknown }).driverError ?? at.cause;
  }
  return undefined;
}
