// The types that are read straight from their bytes: what for `pg` is a string first, and then a search in it.
import { binaryTimestamptz, textDate, textTimestamp, textTimestamptz } from './dates.js';
import { byteAt } from './column.js';
import type { Decode } from './column.js';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const SMALL_T = 116;

/** Digits that a double holds exactly, and powers of ten that it does. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

/** Whole numbers of up to 15 digits. */
function textInteger(buffer: Buffer, from: number, to: number): number | undefined {
  const isNegative = byteAt(buffer, from) === MINUS;
  const start = isNegative ? from + 1 : from;
  if (start === to || to - start > EXACT_DIGITS) return undefined;
  let value = 0;
  for (let at = start; at < to; at++) {
    const digit = byteAt(buffer, at) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

/** Numbers of up to 15 digits without an exponent: one division of two exact doubles rounds as a parser must. */
function textFloat(buffer: Buffer, from: number, to: number): number | undefined {
  const isNegative = byteAt(buffer, from) === MINUS;
  const start = isNegative ? from + 1 : from;
  if (start === to || to - start > EXACT_DIGITS + 1) return undefined;
  let value = 0;
  let point = to - 1;
  for (let at = start; at < to; at++) {
    const digit = byteAt(buffer, at) - ZERO;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else if (digit === POINT - ZERO && point === to - 1) point = at;
    else return undefined;
  }
  const decimals = to - 1 - point;
  if (to - start - (decimals > 0 ? 1 : 0) > EXACT_DIGITS) return undefined;
  const magnitude = value / (POWERS[decimals] as number);
  return isNegative ? -magnitude : magnitude;
}

function textBool(buffer: Buffer, from: number): boolean {
  return byteAt(buffer, from) === SMALL_T;
}

/** A copy: the message's memory is somebody else's. */
const binaryBytea: Decode = (buffer, from, to) => Buffer.from(buffer.subarray(from, to));

/** How a type is read where its parser is `pg`'s own. */
export interface TypeReading {
  /** Reads the text form; undefined where the value is one that is left to `pg`'s parser. */
  readonly text?: Decode;
  /** Reads the binary form. */
  readonly binary?: Decode;
  /** Bytes of the binary form, where they are always as many. */
  readonly binaryLength?: number;
  /** Strings that hold nothing but ASCII. */
  readonly isAscii?: boolean;
}

/**
 * By object id. Whatever is not listed is text for `pg`'s parser. Binary is asked for only where server and client
 * together are done sooner, 100 and 1000 rows of ten columns: timestamptz takes 0.6 of the time, bytea 0.4. Not so:
 * - bool, int2, int4, oid, date, timestamp: 0.9 to 1.15, for the server makes a binary value no faster than a short
 *   text, and what is left of the client's work is the Date;
 * - float8: under `extra_float_digits` below 1 the text is rounded, and no message tells of that setting;
 * - float4: `pg` reads 0.1 from the text, and of the four bytes it would become 0.10000000149011612;
 * - int8, numeric, uuid: strings they are for `pg`, and their digits would have to be made here.
 */
export const READINGS: ReadonlyMap<number, TypeReading> = new Map<number, TypeReading>([
  [16, { text: textBool }], // bool
  [17, { binary: binaryBytea }], // bytea
  [20, { isAscii: true }], // int8
  [21, { text: textInteger }], // int2
  [23, { text: textInteger }], // int4
  [26, { text: textInteger }], // oid
  [700, { text: textFloat }], // float4
  [701, { text: textFloat }], // float8
  [1082, { text: textDate }], // date
  [1114, { text: textTimestamp }], // timestamp
  [1184, { text: textTimestamptz, binary: binaryTimestamptz, binaryLength: 8 }], // timestamptz
  [1700, { isAscii: true }], // numeric
  [2950, { isAscii: true }], // uuid
]);
