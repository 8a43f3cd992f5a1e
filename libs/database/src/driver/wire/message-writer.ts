// Messages of the extended and the simple query protocol, written one behind the other and sent in one piece.
import type { PreparedValue } from '../parameters.js';

/** Bytes that are allocated at a time: what is taken is a part of them, so that a short statement allocates nothing. */
const SLAB_BYTES = 32_768;
/** With less room than this the next message begins in a new slab. */
const LEAST_BYTES = 512;
/** A string in UTF-8 has at most this many bytes for each UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;
/** Up to this length a string is written faster here than by a call of Buffer's own, which costs 50 ns. */
const SHORT_LENGTH = 12;
/** What UTF-8 writes as it is ends here. */
const ASCII_MAX = 0x7f;
const NO_FORMATS: readonly number[] = [];

const BIND = 0x42;
const CLOSE = 0x43;
const COPY_FAIL = 0x66;
const DESCRIBE = 0x44;
const EXECUTE = 0x45;
const PARSE = 0x50;
const QUERY = 0x51;
const STATEMENT = 0x53;
const SYNC = 0x53;
const PORTAL = 0x50;

/** Collects messages. Grows as needed; not shared between connections. */
export class MessageWriter {
  private buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where begins what was not taken yet. */
  private from = 0;
  private at = 0;

  /** Bytes that wait to be sent. */
  get size(): number {
    return this.at - this.from;
  }

  /** All that was written since the last call. The bytes are the caller's: they are not written to again. */
  take(): Buffer {
    const { buffer, from, at } = this;
    this.from = at;
    if (buffer.length - at < LEAST_BYTES || buffer.length > SLAB_BYTES) this.renew(SLAB_BYTES);
    return buffer.subarray(from, at);
  }

  /** A text of one or several statements, in the simple protocol. */
  query(text: string): void {
    const start = this.begin(QUERY);
    this.text(text);
    this.end(start);
  }

  /** Parses a text under a name; '' is the unnamed statement. */
  parse(name: string, text: string): void {
    const start = this.begin(PARSE);
    this.text(name);
    this.text(text);
    // The server finds the types of the parameters.
    this.int16(0);
    this.end(start);
  }

  /** Binds values to the unnamed portal; `formats` are those of the result, by column. */
  bind(
    name: string,
    values: readonly PreparedValue[],
    formats: readonly number[] = NO_FORMATS,
  ): void {
    const start = this.begin(BIND);
    this.byte(0);
    this.text(name);
    this.valueFormats(values);
    this.int16(values.length);
    for (const value of values) this.value(value);
    this.int16(formats.length);
    for (const format of formats) this.int16(format);
    this.end(start);
  }

  /** Asks for the columns of the unnamed portal. */
  describePortal(): void {
    const start = this.begin(DESCRIBE);
    this.byte(PORTAL);
    this.byte(0);
    this.end(start);
  }

  /** Runs the unnamed portal to its end. */
  execute(): void {
    const start = this.begin(EXECUTE);
    this.byte(0);
    this.int32(0);
    this.end(start);
  }

  /** Forgets a prepared statement. */
  closeStatement(name: string): void {
    const start = this.begin(CLOSE);
    this.byte(STATEMENT);
    this.text(name);
    this.end(start);
  }

  copyFail(reason: string): void {
    const start = this.begin(COPY_FAIL);
    this.text(reason);
    this.end(start);
  }

  sync(): void {
    this.end(this.begin(SYNC));
  }

  private valueFormats(values: readonly PreparedValue[]): void {
    if (!values.some((value) => value instanceof Uint8Array)) {
      this.int16(0);
      return;
    }
    this.int16(values.length);
    for (const value of values) this.int16(value instanceof Uint8Array ? 1 : 0);
  }

  private value(value: PreparedValue): void {
    if (value === null) this.int32(-1);
    else if (typeof value === 'string') {
      this.reserve(4 + value.length * MAX_BYTES_PER_UNIT);
      const bytes = this.put(value, this.at + 4);
      this.int32(bytes);
      this.at += bytes;
    } else {
      this.reserve(4 + value.byteLength);
      this.int32(value.byteLength);
      this.buffer.set(value, this.at);
      this.at += value.byteLength;
    }
  }

  /** A text that ends with a zero byte. */
  private text(text: string): void {
    this.reserve(text.length * MAX_BYTES_PER_UNIT + 1);
    this.at += this.put(text, this.at);
    this.buffer[this.at++] = 0;
  }

  /** Writes a string where there is room for it; returns its bytes. */
  private put(text: string, at: number): number {
    const { buffer } = this;
    const { length } = text;
    if (length > SHORT_LENGTH) return buffer.write(text, at);
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > ASCII_MAX) return buffer.write(text, at);
      buffer[at + index] = unit;
    }
    return length;
  }

  private byte(value: number): void {
    this.reserve(1);
    this.buffer[this.at++] = value;
  }

  private int16(value: number): void {
    this.reserve(2);
    this.buffer[this.at++] = value >>> 8;
    this.buffer[this.at++] = value;
  }

  private int32(value: number): void {
    this.reserve(4);
    this.put32(value, this.at);
    this.at += 4;
  }

  private put32(value: number, at: number): void {
    const { buffer } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** Begins a message; its length follows when it {@link end}s. */
  private begin(type: number): number {
    this.reserve(5);
    this.buffer[this.at] = type;
    // Counted from what was not taken yet, for the memory may change meanwhile.
    const start = this.size + 1;
    this.at += 5;
    return start;
  }

  private end(start: number): void {
    this.put32(this.size - start, this.from + start);
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    this.renew(Math.max(SLAB_BYTES, (this.size + bytes) * 2));
  }

  /** Goes on in other memory: what was taken is not written to again. */
  private renew(bytes: number): void {
    const fresh = Buffer.allocUnsafeSlow(bytes);
    this.at = this.buffer.copy(fresh, 0, this.from, this.at);
    this.from = 0;
    this.buffer = fresh;
  }
}
