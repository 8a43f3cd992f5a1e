// Which parser is in force for a column, and whether it is `pg`'s own: only of those does anybody here know what they do.
import pg from 'pg';
import textParsers from 'pg-types/lib/textParsers.js';
import type { TypeParsers } from '../../query/query.js';
import type { Column } from './column.js';

/** Turns the text of a value into what the caller gets; in a cursor that is BINARY, the bytes. */
export type Parse = (value: string) => unknown;

/** `pg` has the same parser for every type that it knows nothing of: the text as it is. No type has this id. */
export const asItIs: Parse = (pg.types as TypeParsers).getTypeParser(-1);

/** `pg`'s own parsers, from where it has them: what is in force now may have been set before this file was loaded. */
const own = new Map<number, Parse>();
textParsers.init((oid, parse) => own.set(oid, parse));

/** The parser that `pg` would use for a column. */
export function parserOf(column: Column, types: TypeParsers | undefined): Parse {
  const source: TypeParsers = types ?? pg.types;
  return source.getTypeParser(column.dataTypeID, column.format);
}

/** The parsers that `pg` would use, by column. */
export function parsersOf(
  columns: readonly Column[],
  types: TypeParsers | undefined,
): readonly Parse[] {
  return columns.map((column) => parserOf(column, types));
}

/** Whether the parser is the one that `pg` itself has for the text form of the column's type. */
export function isOwnParser(column: Column, parse: Parse): boolean {
  return column.format !== 'binary' && parse === (own.get(column.dataTypeID) ?? asItIs);
}

/**
 * Tells, at each call, whether the parsers in force for the columns are still those of this moment. A reader of
 * rows and its formats are made for them: ask before each execution, and choose and make anew when
 * it says no. Rows that are already asked for are read by the parsers of when they were.
 */
export function watchParsers(
  columns: readonly Column[],
  types: TypeParsers | undefined,
): () => boolean {
  const parsers = parsersOf(columns, types);
  return () => {
    for (let i = 0; i < columns.length; i++) {
      if (parserOf(columns[i] as Column, types) !== parsers[i]) return false;
    }
    return true;
  };
}
