// Rows read by a function that is made for their layout: an object literal with the decoders called one after the other.
import { endOfRow, expectEnd, lengthOfValue, wrongLength } from './broken-row.js';
import { byteAt, latin1, utf8 } from './column.js';
import { READINGS } from './decoders.js';
import type { Parse } from './parsers.js';
import type { Cell } from './plan.js';

type Reader = (buffer: Buffer, at: number) => unknown;
type Factory = (tools: object, parsers: readonly Parse[]) => Reader;

/** V8 copies a substring below this length; a longer one would keep all the text alive that it was cut from. */
const COPIED_BELOW = 13;
/** Bytes that are made a string at once, to cut short values out of it: a slice for each takes two to three times as long. */
const WINDOW_BYTES = 256;
/** Layouts whose code is kept: of a layout that comes again, on whatever connection, the code is already optimised. */
const MAX_FACTORIES = 500;

const factories = new Map<string, Factory>();

function isAscii(buffer: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let at = from; at < to; at++) bits |= byteAt(buffer, at);
  return bits < 128;
}

/** All that the code names besides its own variables and the parsers `p0`, `p1`, ... */
const tools: Readonly<Record<string, unknown>> = Object.freeze({
  ...{ endOfRow, expectEnd, lengthOfValue, wrongLength, latin1, utf8, isAscii },
  bytes: (buffer: Buffer, from: number, to: number) => Buffer.from(utf8(buffer, from, to)),
  ...Object.fromEntries([...READINGS].map(([oid, { text }]) => [`text${oid}`, text])),
  ...Object.fromEntries([...READINGS].map(([oid, { binary }]) => [`binary${oid}`, binary])),
});

/** An expression for the value between `from` and `o`. */
function valueSource({ kind, oid, length }: Cell, i: number, isWindowed: boolean): string {
  const whole = kind === 'ascii' ? 'latin1(b, from, o)' : 'utf8(b, from, o)';
  switch (kind) {
    case 'parse':
      return `p${i}(${whole})`;
    case 'bytes':
      return `p${i}(bytes(b, from, o))`;
    case 'text':
      return `text${oid}(b, from, o) ?? p${i}(${whole})`;
    case 'binary': {
      const read = `binary${oid}(b, from, o)`;
      return length === undefined ? read : `l === ${length} ? ${read} : wrongLength(l, ${length})`;
    }
    case 'string':
    case 'ascii': {
      if (!isWindowed) return whole;
      const isCut = kind === 'ascii' ? '' : ' && isAscii(b, from, o)';
      return `l < ${COPIED_BELOW}${isCut} ? w.substring(from - wFrom, o - wFrom) : ${whole}`;
    }
  }
}

const MOVE_WINDOW = `if (l < ${COPIED_BELOW} && o > wEnd) {
  wFrom = from;
  wEnd = from + ${WINDOW_BYTES} < end ? from + ${WINDOW_BYTES} : end;
  w = latin1(b, wFrom, wEnd);
}`;

const isString = ({ kind }: Cell): boolean => kind === 'string' || kind === 'ascii';

/** A name of the server is in the code only as a string of JSON, which is one of JavaScript too; in brackets `__proto__` is a name. */
function rowSource(cells: readonly Cell[], rowMode: 'object' | 'array'): string {
  if (rowMode === 'array') return `[${cells.map((_, i) => `v${i}`).join(', ')}]`;
  return `{ ${cells.map(({ name }, i) => `[${JSON.stringify(name)}]: v${i}`).join(', ')} }`;
}

/** Code of a function that makes the reader out of {@link tools} and the parsers by column. */
function factorySource(cells: readonly Cell[], rowMode: 'object' | 'array'): string {
  const isWindowed = cells.filter(isString).length > 1;
  const columns = cells.map((cell, i) => {
    const move = isWindowed && isString(cell) ? MOVE_WINDOW : '';
    return `
l = lengthOfValue(b, o, end);
o += 4;
let v${i} = null;
if (l >= 0) { const from = o; o += l; ${move} v${i} = ${valueSource(cell, i, isWindowed)}; }`;
  });
  const parsers = cells.map((_, i) => `p${i} = parsers[${i}]`).join(', ');
  return `'use strict';
const { ${Object.keys(tools).join(', ')} } = tools;
${cells.length > 0 ? `const ${parsers};` : ''}
return function readRow(b, at) {
const end = endOfRow(b, at, ${cells.length});
let o = at + 2, l = 0, w = '', wFrom = 0, wEnd = 0;${columns.join('')}
expectEnd(o, end);
return ${rowSource(cells, rowMode)};
};`;
}

function factoryOf(source: string): Factory {
  const known = factories.get(source);
  if (known !== undefined) return known;
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- 1.3 to 1.8 times the speed of the loop; see rowSource for what is in it
  const factory = new Function('tools', 'parsers', source) as Factory;
  if (factories.size >= MAX_FACTORIES) factories.delete(factories.keys().next().value ?? '');
  factories.set(source, factory);
  return factory;
}

/** Whether this process may compile code: not under `--disallow-code-generation-from-strings`. */
export const mayCompile: boolean = (() => {
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- asks whether it is allowed
    return typeof new Function('') === 'function';
  } catch {
    return false;
  }
})();

/** Makes readers by compiled code, each with parsers of its own. */
export function compiledReaders(
  cells: readonly Cell[],
  rowMode: 'object' | 'array',
): (parsers: readonly Parse[]) => Reader {
  const factory = factoryOf(factorySource(cells, rowMode));
  return (parsers) => factory(tools, parsers);
}
