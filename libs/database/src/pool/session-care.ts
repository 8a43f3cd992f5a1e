// What a pool says on its connections for itself: is it alive, is it clean, goodbye.
import type { Connection } from '../driver/driver.js';
import type { PooledConnection } from './pooled-connection.js';

/** Takes back what a session may have set; DEALLOCATE is left out, for statements stay prepared. */
const RESET =
  'SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; ' +
  'SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES';

/** Longest time of each of these, in ms; a connection that takes longer is destroyed. */
const TIMEOUT_MS = 2_000;

/** Longest time for saying goodbye, in ms. */
const END_TIMEOUT_MS = 2_000;

/** Whether the server still answers; an empty statement is the cheapest question. */
export function answers(pooled: PooledConnection): Promise<boolean> {
  return pooled.command('', TIMEOUT_MS);
}

/** Makes a session as the next borrower expects it; returns why that failed, and the connection has to be given up. */
export async function clean(pooled: PooledConnection, reset: boolean): Promise<string | undefined> {
  if (!reset)
    return (await rollBack(pooled)) ? undefined : 'its transaction could not be rolled back';
  return (await resetSession(pooled)) ? undefined : 'its session could not be reset';
}

/** Closes a session that nobody waits for. */
export function sayGoodbye(connection: Connection): void {
  void connection.end(END_TIMEOUT_MS);
}

/** Ends an open transaction; false when the connection cannot be used any more. */
async function rollBack(pooled: PooledConnection): Promise<boolean> {
  const done = await pooled.command('ROLLBACK', TIMEOUT_MS);
  return done && pooled.connection.transactionStatus === 'idle';
}

/** Makes the session as it was when it was opened; false when the connection cannot be used any more. */
async function resetSession(pooled: PooledConnection): Promise<boolean> {
  const isIdle = pooled.connection.transactionStatus === 'idle';
  if (!isIdle && !(await rollBack(pooled))) return false;
  return pooled.command(RESET, TIMEOUT_MS);
}
