// Parameters that are too large to share a connection.
import type { Statement } from '../query/query.js';

/** Larger parameters travel alone: `pg` and the socket would queue them before everybody else's. */
const MAX_VALUE_LENGTH = 65_536;
const MAX_PARTS = 1_000;
const NONE: readonly unknown[] = [];

/** Of a statement that only reads its parameters make it dear for those behind it, if anything does. */
export function hasLargeValues({ values = NONE }: Statement): boolean {
  let length = 0;
  for (const value of values) {
    if (typeof value === 'string') length += value.length;
    else if (typeof value === 'object' && value !== null) length += sizeOf(value);
  }
  return length > MAX_VALUE_LENGTH;
}

/** Arrays and documents are not measured, for that costs as much as to send them: beyond a few parts they travel alone. */
function sizeOf(value: object): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (Array.isArray(value)) return value.length > MAX_PARTS ? Number.POSITIVE_INFINITY : 0;
  return 0;
}
