// A position as a text that travels: in a cookie, a header, the payload of a job.
import { UsageError } from '../kernel/errors.js';
import type { Freshness } from '../query/position.js';

/** Of a process that has written nothing yet: any server will do. */
const NONE = 'w1.none';
/** The position of the write is not known, or there is one server only: ask the primary. */
const PRIMARY = 'w1.primary';
/** Parts of a fixed length, so that a token that was cut off is noticed. */
const POSITION = /^w1\.([0-9a-f]{16})\.([0-9a-f]{8})\.([0-9a-f]{16})$/;

/** Longest token, in characters; all of them are letters, digits and dots. */
export const MAX_TOKEN_LENGTH = 45;

function hex(value: bigint | number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** The token of what a read has to see; undefined is nothing. */
export function formatToken(freshness: Freshness | undefined): string {
  if (freshness === undefined) return NONE;
  if (freshness === 'primary') return PRIMARY;
  const { systemId, timeline, lsn } = freshness;
  return `w1.${hex(BigInt.asUintN(64, BigInt(systemId)), 16)}.${hex(timeline, 8)}.${hex(lsn, 16)}`;
}

/** What a token stands for; `isToken` is false for a text that is none. */
export function readToken(text: unknown): { isToken: boolean; freshness?: Freshness | undefined } {
  if (text === NONE) return { isToken: true };
  if (text === PRIMARY) return { isToken: true, freshness: 'primary' };
  const match = typeof text === 'string' ? POSITION.exec(text) : null;
  if (match === null) return { isToken: false };
  const [, system = '', timeline = '', lsn = ''] = match;
  const systemId = BigInt.asIntN(64, BigInt(`0x${system}`)).toString();
  const position = { systemId, timeline: Number.parseInt(timeline, 16), lsn: BigInt(`0x${lsn}`) };
  return { isToken: true, freshness: position };
}

/**
 * What a token stands for.
 * @throws UsageError for a text that is none.
 */
export function parseToken(text: unknown): Freshness | undefined {
  const { isToken, freshness } = readToken(text);
  if (isToken) return freshness;
  const shown =
    typeof text === 'string' ? JSON.stringify(text.slice(0, MAX_TOKEN_LENGTH)) : typeof text;
  throw new UsageError(
    `${shown} is no consistency token. Pass what consistencyToken() gave, whole, or leave it out.`,
  );
}
