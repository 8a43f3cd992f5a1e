// The reader of the rows of one result.
import type { TypeParsers } from '../../query/query.js';
import type { Column } from './column.js';
import { compiledReaders, mayCompile } from './compiled-reader.js';
import { loopingReaders } from './looping-reader.js';
import { parsersOf } from './parsers.js';
import type { Parse } from './parsers.js';
import { kindOf, planCells } from './plan.js';
import type { Cell } from './plan.js';

/** Formats that were asked for, by column; undefined is text for all. */
export type Formats = readonly (0 | 1)[] | undefined;
/** The shape of a row. */
export type RowMode = 'object' | 'array';

/**
 * Reads one row: `at` is the offset of the first byte after message type and length (the int16 column count); the
 * length before it is read too. Keeps nothing of the buffer.
 * @throws BrokenRowError when the message is not such a row; whatever else it throws, a parser of the application did.
 */
export type RowReader = (buffer: Buffer, at: number) => unknown;

/** Makes readers of rows that have the same columns and are read in the same way, each with parsers of its own. */
export class RowPlan {
  private readonly cells: readonly Cell[];
  private readonly newReader: (parsers: readonly Parse[]) => RowReader;

  constructor(
    private readonly columns: readonly Column[],
    formats: Formats,
    rowMode: RowMode,
    parsers: readonly Parse[],
  ) {
    this.cells = planCells(columns, formats, parsers);
    this.newReader = (mayCompile ? compiledReaders : loopingReaders)(this.cells, rowMode);
  }

  /** Whether columns in these formats are read in the same way by these parsers. */
  fits(formats: Formats, parsers: readonly Parse[]): boolean {
    const { cells, columns } = this;
    for (let i = 0; i < columns.length; i++) {
      const kind = kindOf(columns[i] as Column, formats?.[i] ?? 0, parsers[i] as Parse);
      if (kind !== cells[i]?.kind) return false;
    }
    return true;
  }

  /** A reader with parsers that fit. */
  readerOf(parsers: readonly Parse[]): RowReader {
    return this.newReader(parsers);
  }
}

/**
 * Makes the reader for the rows of a statement. It holds the parsers that are in force now: `watchParsers` tells
 * when another one is needed.
 */
export function newRowReader(
  columns: readonly Column[],
  formats: Formats,
  rowMode: RowMode,
  types: TypeParsers | undefined,
): RowReader {
  const parsers = parsersOf(columns, types);
  return new RowPlan(columns, formats, rowMode, parsers).readerOf(parsers);
}
