// Dates and times, exactly as `pg` understands the text form.
import { byteAt, int32At } from './column.js';

const DAY_MS = 86_400_000;
/** 2000-01-01, where PostgreSQL counts from. */
const EPOCH_MS = 946_684_800_000;
const TWO_TO_32 = 4_294_967_296;

const DASH = 45;
const PLUS = 43;
const COLON = 58;
const SPACE = 32;
const POINT = 46;
const ZERO = 48;

function twoDigits(buffer: Buffer, at: number): number {
  return byteAt(buffer, at) * 10 + byteAt(buffer, at + 1) - ZERO * 11;
}

/** The year of `YYYY-MM-DD`, or 0 where the text begins otherwise or is one of the years that need `pg`'s care. */
function fourDigitYear(buffer: Buffer, at: number): number {
  if (byteAt(buffer, at + 4) !== DASH || byteAt(buffer, at + 7) !== DASH) return 0;
  const year = twoDigits(buffer, at) * 100 + twoDigits(buffer, at + 2);
  return year < 100 ? 0 : year;
}

/** Whether `HH:MM:SS` follows a date of ten characters. */
function hasTime(buffer: Buffer, at: number): boolean {
  return (
    byteAt(buffer, at + 10) === SPACE &&
    byteAt(buffer, at + 13) === COLON &&
    byteAt(buffer, at + 16) === COLON
  );
}

/** Where the fraction of a second ends that may begin at `at`. */
function fractionEnd(buffer: Buffer, at: number, to: number): number {
  if (at === to || byteAt(buffer, at) !== POINT) return at;
  let end = at + 1;
  while (end < to && byteAt(buffer, end) >= ZERO) end++;
  return end;
}

/** Milliseconds of a fraction. `pg` cuts the rest off; of all six digits none is rounded by its floating point. */
function fractionMs(buffer: Buffer, at: number, end: number): number {
  const digit = (n: number): number => (at + n < end ? byteAt(buffer, at + n) - ZERO : 0);
  return digit(1) * 100 + digit(2) * 10 + digit(3);
}

/** Days from 1970-01-01 to a day of the Gregorian calendar. */
function dayOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468;
}

/**
 * A time zone as `+HH`, `+HH:MM` or `+HH:MM:SS`, in seconds.
 * @returns undefined where the text is anything else.
 */
function offsetSeconds(buffer: Buffer, at: number, to: number): number | undefined {
  const length = to - at;
  if (length !== 3 && length !== 6 && length !== 9) return undefined;
  const sign = byteAt(buffer, at);
  if (sign !== PLUS && sign !== DASH) return undefined;
  // Of the same length, for one: `+00 BC`.
  if (length > 3 && byteAt(buffer, at + 3) !== COLON) return undefined;
  let seconds = twoDigits(buffer, at + 1) * 3600;
  if (length > 3) seconds += twoDigits(buffer, at + 4) * 60;
  if (length > 6) seconds += twoDigits(buffer, at + 7);
  return sign === DASH ? -seconds : seconds;
}

/** `timestamptz` as text, where its year has four digits; undefined for all else. */
export function textTimestamptz(buffer: Buffer, from: number, to: number): Date | undefined {
  if (to - from < 22 || !hasTime(buffer, from)) return undefined;
  const year = fourDigitYear(buffer, from);
  const end = fractionEnd(buffer, from + 19, to);
  const offset = offsetSeconds(buffer, end, to);
  if (year === 0 || offset === undefined) return undefined;
  const day = dayOf(year, twoDigits(buffer, from + 5), twoDigits(buffer, from + 8));
  const seconds =
    twoDigits(buffer, from + 11) * 3600 +
    twoDigits(buffer, from + 14) * 60 +
    twoDigits(buffer, from + 17) -
    offset;
  return new Date(day * DAY_MS + seconds * 1000 + fractionMs(buffer, from + 19, end));
}

/** `timestamp` as text, where its year has four digits; undefined for all else. */
export function textTimestamp(buffer: Buffer, from: number, to: number): Date | undefined {
  if (to - from < 19 || !hasTime(buffer, from)) return undefined;
  const year = fourDigitYear(buffer, from);
  const end = fractionEnd(buffer, from + 19, to);
  if (year === 0 || end !== to) return undefined;
  return new Date(
    year,
    twoDigits(buffer, from + 5) - 1,
    twoDigits(buffer, from + 8),
    twoDigits(buffer, from + 11),
    twoDigits(buffer, from + 14),
    twoDigits(buffer, from + 17),
    fractionMs(buffer, from + 19, end),
  );
}

/** `date` as text, where its year has four digits; undefined for all else. */
export function textDate(buffer: Buffer, from: number, to: number): Date | undefined {
  if (to - from !== 10) return undefined;
  const year = fourDigitYear(buffer, from);
  if (year === 0) return undefined;
  return new Date(year, twoDigits(buffer, from + 5) - 1, twoDigits(buffer, from + 8));
}

/** Infinity or -Infinity where the int64 at `at` stands for one, otherwise undefined. */
function infinityAt(buffer: Buffer, at: number): number | undefined {
  const high = int32At(buffer, at);
  if (high === 0x7fff_ffff && int32At(buffer, at + 4) === -1) return Infinity;
  if (high === -0x8000_0000 && int32At(buffer, at + 4) === 0) return -Infinity;
  return undefined;
}

/** Microseconds in 64 bits as whole milliseconds since 1970, never rounded up. */
function unixMsAt(buffer: Buffer, at: number): number {
  const high = int32At(buffer, at);
  const low = int32At(buffer, at + 4) >>> 0;
  // In two steps: 64 bits do not fit into a double.
  const thousands = Math.floor(high / 1000);
  const rest = (high - thousands * 1000) * TWO_TO_32 + low;
  return thousands * TWO_TO_32 + Math.floor(rest / 1000) + EPOCH_MS;
}

/** `timestamptz` in binary: the instant itself, in whatever zone and style the session would write it. */
export function binaryTimestamptz(buffer: Buffer, from: number): Date | number {
  return infinityAt(buffer, from) ?? new Date(unixMsAt(buffer, from));
}
