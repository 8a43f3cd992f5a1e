// Whether a trip that succeeded has changed something for good.
import type { Trip } from '../query/trip.js';

/** Command tags of statements that change nothing that lasts. */
const HARMLESS = new Set([
  ...['BEGIN', 'START', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'SET', 'RESET', 'SHOW'],
  ...['LISTEN', 'UNLISTEN', 'DECLARE', 'FETCH', 'CLOSE', 'DEALLOCATE', 'DISCARD', 'LOCK'],
]);

function commandOf(result: unknown): string | undefined {
  return (result as { command?: string } | undefined)?.command;
}

/** True unless it surely has not: in doubt a position is asked for in vain, which costs one round trip. */
export function hasWritten(trip: Trip, isPure: (text: string) => boolean): boolean {
  const { wants, pinned, intent } = trip.request;
  if (wants !== 'result' || intent === 'read') return false;
  // Inside a transaction nothing lasts before its COMMIT.
  if (pinned !== undefined && pinned.transactionStatus !== 'idle') return false;
  const results: unknown[] = Array.isArray(trip.result) ? trip.result : [trip.result];
  const commands = results.map(commandOf);
  // `pg` gives an empty text a command of null.
  if (commands.every((command) => command === null || HARMLESS.has(command ?? ''))) return false;
  return !(commands.every((command) => command === 'SELECT') && isPure(trip.statement.text));
}
