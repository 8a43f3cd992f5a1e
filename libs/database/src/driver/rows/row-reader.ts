import pg from 'pg';
import type { TypeParsers } from '../../query/query.js';
import type { Column } from './columns.js';
export type RowReader = (buffer: Buffer, at: number) => unknown;
export function newRowReader(
  columns: readonly Column[],
  _formats: readonly (0 | 1)[] | undefined,
  rowMode: 'object' | 'array',
  types: TypeParsers | undefined,
): RowReader {
  const parsers = columns.map(
    (c) =>
      (types ?? pg.types).getTypeParser(c.dataTypeID as never, 'text') as (v: string) => unknown,
  );
  const names = columns.map((c) => c.name);
  return (buffer, start) => {
    let at = start + 2;
    const row: any = rowMode === 'array' ? [] : {};
    for (let i = 0; i < names.length; i++) {
      const len = buffer.readInt32BE(at);
      at += 4;
      let v: unknown = null;
      if (len >= 0) {
        v = parsers[i]!(buffer.toString('utf8', at, at + len));
        at += len;
      }
      if (rowMode === 'array') row.push(v);
      else row[names[i]!] = v;
    }
    return row;
  };
}
