// How a failed start reads: the cause and the mend where they are known, a stack only for our own mistakes.
import { DatabaseError } from 'nestjs-database';
import { StartFailure } from '../config/start-failure.js';

/** Text for the terminal. */
export function failureText(error: unknown): string {
  if (error instanceof StartFailure) return `✗ ${error.message}\n  mend: ${error.mend}`;
  // The library's messages end with the mend.
  if (error instanceof DatabaseError) return `✗ ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
