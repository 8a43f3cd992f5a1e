// How each column of a result is read: decided once, before its first row.
import type { TypeParsers } from '../../query/query.js';
import type { Column, Decode } from './column.js';
import { READINGS } from './decoders.js';
import type { TypeReading } from './decoders.js';
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
  readonly decode?: Decode | undefined;
  /** Bytes that a binary value must have. */
  readonly length?: number | undefined;
}

const NO_READING: TypeReading = Object.freeze({});

/** How a column is read by a parser. */
export function kindOf(column: Column, format: 0 | 1, parse: Parse): Cell['kind'] {
  if (format === 1) return 'binary';
  if (column.format === 'binary') return 'bytes';
  if (!isOwnParser(column, parse)) return 'parse';
  const reading = READINGS.get(column.dataTypeID);
  if (reading?.text !== undefined) return 'text';
  if (reading?.isAscii === true) return 'ascii';
  return parse === asItIs ? 'string' : 'parse';
}

function planCell(column: Column, format: 0 | 1, parse: Parse): Cell {
  const { name, dataTypeID: oid } = column;
  const kind = kindOf(column, format, parse);
  const { binary, binaryLength, text } = READINGS.get(oid) ?? NO_READING;
  if (kind === 'binary') {
    if (binary === undefined)
      throw new Error(
        `Column ${JSON.stringify(name)} (type ${oid}) has no binary reading: ask for the formats of chooseFormats.`,
      );
    return { name, oid, kind, decode: binary, length: binaryLength };
  }
  return { name, oid, kind, decode: kind === 'text' ? text : undefined };
}

/** Plans all columns, each for the parser at its place. */
export function planCells(
  columns: readonly Column[],
  formats: readonly (0 | 1)[] | undefined,
  parsers: readonly Parse[],
): readonly Cell[] {
  return columns.map((column, index) =>
    planCell(column, formats?.[index] ?? 0, parsers[index] as Parse),
  );
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
