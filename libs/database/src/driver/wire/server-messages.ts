// What the server tells about a statement, read from the bytes of its messages.
import pg from 'pg';
import { hasBytes, int32At, latin1 } from '../rows/column.js';
import type { Column } from '../rows/column.js';
import { readUint16 } from './message-splitter.js';

/** Types of the messages that answer statements. */
export const MESSAGE = {
  bindComplete: 0x32,
  closeComplete: 0x33,
  commandComplete: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyIn: 0x47,
  copyOut: 0x48,
  dataRow: 0x44,
  emptyQuery: 0x49,
  error: 0x45,
  noData: 0x6e,
  parseComplete: 0x31,
  portalSuspended: 0x73,
  readyForQuery: 0x5a,
  rowDescription: 0x54,
} as const;

/** Properties of `pg`'s DatabaseError by the letters of the protocol. */
const FACTS: Readonly<Record<string, string>> = {
  S: 'severity',
  C: 'code',
  D: 'detail',
  H: 'hint',
  P: 'position',
  p: 'internalPosition',
  q: 'internalQuery',
  W: 'where',
  s: 'schema',
  t: 'table',
  c: 'column',
  d: 'dataType',
  n: 'constraint',
  F: 'file',
  L: 'line',
  R: 'routine',
};

/** A text that ends with a zero byte, and where the next thing begins. */
function readText(buffer: Buffer, at: number): { readonly text: string; readonly next: number } {
  const zero = buffer.indexOf(0, at);
  return { text: buffer.toString('utf8', at, zero), next: zero + 1 };
}

/** An ErrorResponse as `pg` gives it to its users; without a stack, which would be that of the socket. */
export function readError(buffer: Buffer, start: number, end: number): Error {
  const facts: Record<string, string> = {};
  let message = '';
  let at = start;
  while (at < end && buffer[at] !== 0) {
    const letter = String.fromCharCode(buffer[at] ?? 0);
    const { text, next } = readText(buffer, at + 1);
    at = next;
    const name = FACTS[letter];
    if (letter === 'M') message = text;
    else if (name !== undefined) facts[name] = text;
  }
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return Object.assign(new pg.DatabaseError(message, end - start, 'error'), facts);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * Whether the server does not have a prepared statement, has another one under its name, or finds that its columns have
 * changed. Nothing was run then. 0A000 stands for all that is not supported, so the place that says it counts too.
 */
export function isOfPreparedStatement(error: Error): boolean {
  const { code, routine } = error as { readonly code?: string; readonly routine?: string };
  if (code === '0A000') return routine === 'RevalidateCachedQuery';
  return code === '26000' || code === '42P05';
}

/** A RowDescription. */
export function readColumns(buffer: Buffer, start: number): Column[] {
  const columns: Column[] = [];
  let at = start + 2;
  for (let left = readUint16(buffer, start); left > 0; left--) {
    const { text: name, next } = readText(buffer, at);
    const column: Column = {
      name,
      tableID: int32At(buffer, next) >>> 0,
      columnID: readUint16(buffer, next + 4),
      dataTypeID: int32At(buffer, next + 6) >>> 0,
      dataTypeSize: (readUint16(buffer, next + 10) << 16) >> 16,
      dataTypeModifier: int32At(buffer, next + 12),
      format: readUint16(buffer, next + 16) === 0 ? 'text' : 'binary',
    };
    // All results that look alike have the same ones.
    columns.push(Object.freeze(column));
    at = next + 18;
  }
  return columns;
}

/** What a command tag says, such as `INSERT 0 5`. */
export interface CommandTag {
  readonly command: string;
  /** Null for commands that count nothing, as in `pg`. */
  readonly rowCount: number | null;
  readonly oid: number | null;
}

const TAG = /^([A-Za-z]+)(?: (\d+))?(?: (\d+))?/;
const SELECT_1 = readTag('SELECT 1');
/** Most answers are of one row: not even a string is made for them. */
const SELECT_1_BYTES = Buffer.from('SELECT 1\0');

/** Tags that were read before: an application has a few. */
const tags = new Map<string, CommandTag>();
/** With more of them all begin anew. */
const MAX_TAGS = 256;

function readTag(text: string): CommandTag {
  const [, command = '', first, second] = TAG.exec(text) ?? [];
  const count = second ?? first;
  return Object.freeze({
    command,
    rowCount: count === undefined ? null : Number(count),
    oid: second === undefined ? null : Number(first),
  });
}

/** A CommandComplete. */
export function readCommandTag(buffer: Buffer, at: number, end: number): CommandTag {
  if (hasBytes(SELECT_1_BYTES, buffer, at, end)) return SELECT_1;
  const text = latin1(buffer, at, end - 1);
  const known = tags.get(text);
  if (known !== undefined) return known;
  if (tags.size >= MAX_TAGS) tags.clear();
  const tag = readTag(text);
  tags.set(text, tag);
  return tag;
}

const FORGETTING: readonly string[] = ['DISCARD ALL', 'DEALLOCATE ALL'];
const LETTER_D = 0x44;

/** Whether a CommandComplete tells that the session has forgotten its prepared statements. */
export function forgetsStatements(buffer: Buffer, at: number, end: number): boolean {
  return buffer[at] === LETTER_D && FORGETTING.includes(latin1(buffer, at, end - 1));
}
