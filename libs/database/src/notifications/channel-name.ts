// Names of channels: identifiers, so quoted as such and as short as such.
import { UsageError } from '../kernel/errors.js';

/** PostgreSQL cuts longer identifiers with a mere notice, and would listen to another channel. */
const MAX_BYTES = 63;

/** @throws UsageError for what is no name of a channel. */
export function requireChannelName(channel: unknown): string {
  const problem = problemOf(channel);
  if (problem === undefined) return channel as string;
  const shown = JSON.stringify(channel)?.slice(0, 80);
  throw new UsageError(
    `The channel ${shown} ${problem}. Give listen() a short name, exactly as pg_notify() gets it: it is not folded ` +
      'to lower case.',
  );
}

function problemOf(channel: unknown): string | undefined {
  if (typeof channel !== 'string') return 'is no text';
  if (channel === '') return 'is empty';
  if (channel.includes('\0')) return 'holds a NUL';
  const bytes = Buffer.from(channel);
  // Half of a surrogate pair becomes another character on its way.
  if (bytes.toString() !== channel) return 'is no valid Unicode';
  return bytes.length > MAX_BYTES
    ? `has ${bytes.length} bytes and may have ${MAX_BYTES}`
    : undefined;
}

/** As it stands in LISTEN and UNLISTEN. */
export function quoteChannel(channel: string): string {
  return `"${channel.replaceAll('"', '""')}"`;
}
