// The bounds of a row: every offset that a decoder gets has been checked here.
import { int16At, int32At } from './column.js';

/** The message is not the row that was described: nobody knows what the rest of the stream means. */
export class BrokenRowError extends Error {
  override readonly name = 'BrokenRowError';
}

/** Bytes of a message's length, which counts itself. */
const LENGTH_BYTES = 4;

/**
 * The end of the message whose content begins at `at`.
 * @throws BrokenRowError when it does not lie in the buffer, or the row has another number of columns.
 */
export function endOfRow(buffer: Buffer, at: number, columnCount: number): number {
  const isInside = at >= LENGTH_BYTES && at + 2 <= buffer.length;
  const length = isInside ? int32At(buffer, at - LENGTH_BYTES) : 0;
  const end = at - LENGTH_BYTES + length;
  if (length < LENGTH_BYTES + 2 || end > buffer.length) {
    throw new BrokenRowError('A row of the server does not lie in the bytes that were received.');
  }
  const sent = int16At(buffer, at) & 0xffff;
  if (sent === columnCount) return end;
  throw new BrokenRowError(`The server described ${columnCount} columns and sent ${sent}.`);
}

/**
 * The length of the value whose length stands at `at`; -1 is NULL.
 * @throws BrokenRowError when the value would not end inside the message.
 */
export function lengthOfValue(buffer: Buffer, at: number, end: number): number {
  const room = end - at - LENGTH_BYTES;
  const length = room < 0 ? -2 : int32At(buffer, at);
  if (length >= -1 && length <= room) return length;
  throw new BrokenRowError('A value in a row of the server ends outside of the row.');
}

/** @throws BrokenRowError when there is more in the message than its columns. */
export function expectEnd(at: number, end: number): void {
  if (at !== end) throw new BrokenRowError(`A row of the server has ${end - at} bytes too many.`);
}

/** @throws BrokenRowError always. */
export function wrongLength(length: number, expected: number): never {
  throw new BrokenRowError(`The server sent a value of ${length} bytes as a type of ${expected}.`);
}
