// The reader of the rows of one result.
import type { TypeParsers } from '../../query/query.js';
import type { Column } from './column.js';
import { compiledReader, mayCompile } from './compiled-reader.js';
import { loopingReader } from './looping-reader.js';
import { planCells } from './plan.js';

/**
 * Reads one row: `at` is the offset of the first byte after message type and length (the int16 column count); the
 * length before it is read too. Keeps nothing of the buffer.
 * @throws BrokenRowError when the message is not such a row; whatever else it throws, a parser of the application did.
 */
export type RowReader = (buffer: Buffer, at: number) => unknown;

/**
 * Makes the reader for the rows of a statement. It holds the parsers that are in force now: `watchParsers` tells
 * when another one is needed.
 */
export function newRowReader(
  columns: readonly Column[],
  formats: readonly (0 | 1)[] | undefined,
  rowMode: 'object' | 'array',
  types: TypeParsers | undefined,
): RowReader {
  const cells = planCells(columns, formats, types);
  return mayCompile ? compiledReader(cells, rowMode) : loopingReader(cells, rowMode);
}
