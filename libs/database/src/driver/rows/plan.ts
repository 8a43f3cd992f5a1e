// How each column of a result is read: decided once, before its first row.
import type { TypeParsers } from '../../query/query.js';
import type { Column, Decode } from './column.js';
import { READINGS } from './decoders.js';
import { asItIs, isOwnParser, parserOf } from './parsers.js';
import type { Parse } from './parsers.js';

/** One column. */
export interface Cell {
  readonly name: string;
  /**
   * - `parse`: the parser gets the text
   * - `bytes`: the parser gets the bytes of the text, as it does from `pg`: in a BINARY cursor only
   * - `string`, `ascii`: the text is the value; `ascii` where nothing else can be in it
   * - `text`: decoded from the bytes of the text; the parser gets what the decoder leaves
   * - `binary`: decoded from the binary form
   */
  readonly kind: 'parse' | 'bytes' | 'string' | 'ascii' | 'text' | 'binary';
  readonly oid: number;
  readonly parse: Parse;
  readonly decode?: Decode | undefined;
  /** Bytes that a binary value must have. */
  readonly length?: number | undefined;
}

function planCell(column: Column, format: 0 | 1, types: TypeParsers | undefined): Cell {
  const { name, dataTypeID: oid } = column;
  const parse = parserOf(column, types);
  const reading = READINGS.get(oid);
  const cell = { name, oid, parse };
  if (format === 1) {
    if (reading?.binary !== undefined) {
      return { ...cell, kind: 'binary', decode: reading.binary, length: reading.binaryLength };
    }
    throw new Error(
      `Column ${JSON.stringify(name)} (type ${oid}) has no binary reading: ask for the formats of chooseFormats.`,
    );
  }
  if (column.format === 'binary') return { ...cell, kind: 'bytes' };
  if (!isOwnParser(column, parse)) return { ...cell, kind: 'parse' };
  if (reading?.text !== undefined) return { ...cell, kind: 'text', decode: reading.text };
  if (reading?.isAscii === true) return { ...cell, kind: 'ascii' };
  return { ...cell, kind: parse === asItIs ? 'string' : 'parse' };
}

/** Plans all columns. */
export function planCells(
  columns: readonly Column[],
  formats: readonly (0 | 1)[] | undefined,
  types: TypeParsers | undefined,
): readonly Cell[] {
  return columns.map((column, index) => planCell(column, formats?.[index] ?? 0, types));
}

/**
 * Format to ask for by column, 1 where the binary form is decoded faster to exactly the value that `pg` gives for
 * the text form; undefined when all are text. Where `pg` is not right about a timestamptz the binary form is:
 * - under a `DateStyle` that does not begin with ISO (the server reports it) `pg` reads null;
 * - the leap day of 1 BC is a day late, and within the session's offset of the year 275760, where Date ends, `pg`
 *   has an invalid one.
 */
export function chooseFormats(
  columns: readonly Column[],
  types: TypeParsers | undefined,
): readonly (0 | 1)[] | undefined {
  const formats = columns.map((column) => {
    const isFaster = READINGS.get(column.dataTypeID)?.binary !== undefined;
    return isFaster && isOwnParser(column, parserOf(column, types)) ? 1 : 0;
  });
  return formats.includes(1) ? formats : undefined;
}
