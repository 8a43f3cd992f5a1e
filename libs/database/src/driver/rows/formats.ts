import type { TypeParsers } from '../../query/query.js';
import type { Column } from './columns.js';
export function chooseFormats(
  _c: readonly Column[],
  _t: TypeParsers | undefined,
): readonly (0 | 1)[] | undefined {
  return undefined;
}
