// What a column is, and where the bytes of its values are read from.

/** A column as RowDescription tells it; the same properties as `pg`'s Field. */
export interface Column {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  /** `text` or `binary`. */
  readonly format: string;
}

/** Turns the bytes `from` ... `to` of a message into a value. They lie inside the message: the row's reader has checked. */
export type Decode = (buffer: Buffer, from: number, to: number) => unknown;

/** Two methods of Buffer that its type declarations leave out: `toString` without its look at the name of the encoding. */
interface Slices {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
}

/** Bytes as a string of as many characters: right where all are ASCII. */
export function latin1(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Slices).latin1Slice(from, to);
}

/** Bytes as the text that the server sent: what `pg` gives to every parser. */
export function utf8(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Slices).utf8Slice(from, to);
}

/** Whether the bytes `from` ... `to` of a message are exactly these. */
export function hasBytes(bytes: Uint8Array, buffer: Buffer, from: number, to: number): boolean {
  const { length } = bytes;
  if (to - from !== length) return false;
  for (let index = 0; index < length; index++) {
    if (buffer[from + index] !== bytes[index]) return false;
  }
  return true;
}

/** The byte at an offset that lies inside the buffer. */
export function byteAt(buffer: Buffer, at: number): number {
  return buffer[at] as number;
}

/** The int32 at an offset, without the checks of `readInt32BE`: the reader has made them. */
export function int32At(buffer: Buffer, at: number): number {
  return (
    (byteAt(buffer, at) << 24) |
    (byteAt(buffer, at + 1) << 16) |
    (byteAt(buffer, at + 2) << 8) |
    byteAt(buffer, at + 3)
  );
}

/** The int16 at an offset. */
export function int16At(buffer: Buffer, at: number): number {
  return ((byteAt(buffer, at) << 24) >> 16) | byteAt(buffer, at + 1);
}
