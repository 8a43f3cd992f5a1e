// COPY in and out: what callers hand over becomes a text and a stream.
import { PassThrough, Readable, Writable } from 'node:stream';
import { ParameterError, UsageError } from './kernel/errors.js';
import type { Connection } from './driver/driver.js';
import type { TripDesk } from './query/trip-desk.js';
import type { TripRequest } from './query/trip.js';

/** One row of a COPY: values in the order of the columns. */
export type CopyRow = readonly unknown[];

/** What a COPY reads: chunks of COPY's text or CSV format as they are, or rows as arrays. */
export type CopySource =
  Readable | Iterable<string | Uint8Array | CopyRow> | AsyncIterable<string | Uint8Array | CopyRow>;

/** Options of `copyFrom`. */
export interface CopyOptions {
  /** Columns that the source fills, in its order. @default all, in the table's order */
  readonly columns?: readonly string[] | undefined;
  /** Format of a source of chunks; rows as arrays are always sent as text. @default 'text' */
  readonly format?: 'text' | 'csv' | undefined;
  /** Longest time of the whole COPY, in ms. @default 3600000 */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of `copyTo`. */
export interface CopyToOptions {
  /** Longest time of the whole COPY, in ms. @default 3600000 */
  readonly timeoutMs?: number | undefined;
  /** Cancels it, on the server too, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const COPY_TIMEOUT_MS = 3_600_000;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

/** `schema.table` or `table`, each part quoted. */
function quoteTable(name: string): string {
  return name
    .split('.')
    .map((part) => quoteIdentifier(part))
    .join('.');
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function toText(value: unknown, position: number): string {
  if (value === null || value === undefined) return '\\N';
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new ParameterError(
      position,
      `Column ${position} of a row is a ${typeof value}: pass a value.`,
    );
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : `${value as string | number}`;
  return text.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}

function toLine(row: CopyRow): string {
  return `${row.map((value, index) => toText(value, index + 1)).join('\t')}\n`;
}

async function* toChunks(
  source: Exclude<CopySource, Readable>,
): AsyncGenerator<string | Uint8Array> {
  for await (const item of source)
    yield Array.isArray(item) ? toLine(item as CopyRow) : (item as string);
}

function copyText(target: string, options: CopyOptions): string {
  if (/^\s*copy\s/i.test(target)) return target;
  const columns = options.columns?.map(quoteIdentifier).join(', ');
  const format = options.format === 'csv' ? ' WITH (FORMAT csv)' : '';
  return `COPY ${quoteTable(target)}${columns === undefined ? '' : ` (${columns})`} FROM STDIN${format}`;
}

/** Where the code stands that asks: what it has, or holds besides. */
export type CopyPlace = Pick<TripRequest, 'pinned' | 'holding'>;

/** Sends a COPY in on its trip; resolves with the rows stored. */
export function copyIn(
  desk: TripDesk,
  place: CopyPlace,
  target: string,
  source: CopySource,
  options: CopyOptions,
): Promise<number> {
  const text = copyText(target, options);
  const stream = source instanceof Readable ? source : Readable.from(toChunks(source));
  return desk.sendWork<number>({
    statement: { text },
    work: (connection: Connection) => connection.copyIn(text, stream),
    timeoutMs: options.timeoutMs ?? COPY_TIMEOUT_MS,
    signal: options.signal,
    ...place,
  });
}

/** Starts a COPY out; closing the stream early cancels it on the server. */
export function copyOut(
  desk: TripDesk,
  place: CopyPlace,
  text: string,
  { timeoutMs = COPY_TIMEOUT_MS, signal }: CopyToOptions,
): Readable {
  if (!/^\s*copy\s/i.test(text)) {
    throw new UsageError('copyTo takes a whole COPY statement: COPY (SELECT ...) TO STDOUT.');
  }
  const out = new PassThrough();
  let proceed: (() => void) | undefined;
  const goOn = (): void => {
    const waiting = proceed;
    proceed = undefined;
    waiting?.();
  };
  out.on('drain', goOn).once('close', goOn);
  // Not `out` itself: a failure would destroy it with the driver's bare error. Once the reader has left,
  // the rest is dropped, for the server's answer to the cancel stands behind it.
  const sink = new Writable({
    write: (chunk, _encoding, written) => {
      if (out.destroyed || out.write(chunk)) written();
      else proceed = written;
    },
    final: (ended) => {
      if (out.destroyed) ended();
      else out.end(ended);
    },
  });
  const abort = new AbortController();
  out.once('close', () => abort.abort());
  const signals = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
  void desk
    .sendWork<number>({
      statement: { text },
      work: (connection: Connection) => connection.copyOut(text, sink),
      timeoutMs,
      signal: signals,
      ...place,
    })
    .catch((error: unknown) => out.destroy(error as Error));
  return out;
}
