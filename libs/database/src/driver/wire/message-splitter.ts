// Cuts what comes from the socket into messages.
import { int32At } from '../rows/column.js';

/** Type and length. */
const HEADER_BYTES = 5;

/** Gets a message; `at` and `end` bound what follows its length. The bytes are valid until the call returns. */
export type MessageHandler = (type: number, buffer: Buffer, at: number, end: number) => void;

/** Keeps the beginning of a message until its rest has come. Each byte of a message is copied once at most. */
export class MessageSplitter {
  /** An incomplete message, with room for all of it once its header is there. */
  private rest: Buffer | undefined;
  private filled = 0;

  constructor(private readonly handler: MessageHandler) {}

  /** Hands over each message that is complete by now. */
  feed(chunk: Buffer): void {
    let at = this.rest === undefined ? 0 : this.complete(this.rest, chunk);
    const { length } = chunk;
    while (length - at >= HEADER_BYTES) {
      const end = at + 1 + int32At(chunk, at + 1);
      if (end > length) break;
      this.handler(chunk[at] ?? 0, chunk, at + HEADER_BYTES, end);
      at = end;
    }
    if (at < length) this.keep(chunk, at);
  }

  /** Puts the beginning of the chunk to the incomplete message; returns how much of the chunk that was. */
  private complete(rest: Buffer, chunk: Buffer): number {
    const taken = chunk.copy(rest, this.filled, 0, rest.length - this.filled);
    this.filled += taken;
    if (this.filled < rest.length) return taken;
    const bytes = 1 + int32At(rest, 1);
    if (bytes > rest.length) {
      // Its header only, until now.
      this.rest = Buffer.allocUnsafe(bytes);
      rest.copy(this.rest);
      return taken + this.complete(this.rest, chunk.subarray(taken));
    }
    this.rest = undefined;
    this.handler(rest[0] ?? 0, rest, HEADER_BYTES, bytes);
    return taken;
  }

  private keep(chunk: Buffer, at: number): void {
    const have = chunk.length - at;
    const bytes = have < HEADER_BYTES ? HEADER_BYTES : 1 + int32At(chunk, at + 1);
    this.rest = Buffer.allocUnsafe(bytes);
    this.filled = chunk.copy(this.rest, 0, at);
  }
}

/** A number of two bytes without sign, the highest first. */
export function readUint16(buffer: Buffer, at: number): number {
  return ((buffer[at] ?? 0) << 8) | (buffer[at + 1] ?? 0);
}
