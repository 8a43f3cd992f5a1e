// One statement on the wire: what was asked, what has been answered so far.
import type { Statement } from '../../query/query.js';
import type { Departure, Reply } from '../driver.js';
import type { PreparedValue } from '../parameters.js';
import { BrokenRowError } from '../rows/broken-row.js';
import type { Column } from '../rows/column.js';
import type { RowReader } from '../rows/row-reader.js';
import { layoutOf } from './layout.js';
import type { Layout } from './layout.js';
import { readCommandTag } from './server-messages.js';
import type { CommandTag } from './server-messages.js';
import type { PreparedStatement } from './statement-cache.js';

/** What a statement gave, with the properties of `pg`'s Result. */
export interface WireResult extends CommandTag {
  readonly rows: unknown[];
  readonly fields: readonly Column[];
}

/** What is asked. */
export interface Question {
  readonly statement: Statement;
  /** Made ready to be sent; empty without parameters. */
  readonly values: readonly PreparedValue[];
  /** Commands that go ahead in the same round trip. */
  readonly preface: readonly string[];
  readonly reply: Reply;
  readonly departure: Departure;
}

const NO_COLUMNS: readonly Column[] = Object.freeze([]);

/** Collects the answer to one question. Messages of its preface are counted and left out. */
export class Exchange {
  /** The one asked after it. */
  next: Exchange | undefined;
  /** The server's error, or one of a parser of values. */
  error: Error | undefined;
  /** True when it was sent once before, and the server had lost its prepared statement. */
  isRepeated = false;
  /** True when it failed by a statement that was prepared without being asked for. */
  isStale = false;
  /** Undefined for a text that is parsed this once. */
  prepared: PreparedStatement | undefined;
  /** Formats asked for in this exchange. */
  formats: readonly (0 | 1)[] | undefined;
  /** What is parsed on the way and the server has yet to confirm, in order; undefined for a text that nobody keeps. */
  parsing: Array<PreparedStatement | undefined> | undefined;
  /** Commands of the preface that are not complete yet. */
  prefaceLeft: number;
  /** False for the simple protocol, which may answer several statements. */
  isExtended = true;
  /** True when it has no Sync of its own: it shares that of the one asked after it. */
  isJoined = false;
  /** True when the server has refused it; `error` may still be one of a parser. */
  isRefused = false;
  /** What the server told in this exchange. */
  private layout: Layout | undefined;
  private reader: RowReader | undefined;
  private rows: unknown[] = [];
  private result: WireResult | WireResult[] | undefined;

  constructor(readonly question: Question) {
    this.prefaceLeft = question.preface.length;
  }

  /** Begins anew, to be sent again. */
  reset(): void {
    this.error = this.prepared = this.formats = this.parsing = undefined;
    this.layout = this.reader = this.result = undefined;
    this.rows = [];
    this.prefaceLeft = this.question.preface.length;
    this.isRepeated = true;
    this.isStale = this.isJoined = this.isRefused = false;
  }

  /** The answer: undefined for an empty text, several results for several statements. */
  get outcome(): WireResult | WireResult[] | undefined {
    return this.result;
  }

  /** RowDescription. */
  described(buffer: Buffer, at: number, end: number): void {
    this.layout = layoutOf(buffer, at, end);
    this.reader = undefined;
    this.prepared?.learn(this.layout);
  }

  /** DataRow. After an error of a parser the rest is only counted down. False when the bytes are no row at all. */
  row(buffer: Buffer, at: number): boolean {
    if (this.error !== undefined) return true;
    try {
      this.reader ??= this.newReader();
      this.rows.push(this.reader(buffer, at));
    } catch (error) {
      this.error =
        error instanceof Error
          ? error
          : new Error('A parser threw what is no Error.', { cause: error });
      return !(error instanceof BrokenRowError);
    }
    return true;
  }

  /** CommandComplete. False when it is that of the preface. */
  completed(buffer: Buffer, at: number, end: number): boolean {
    if (this.prefaceLeft > 0) {
      this.prefaceLeft--;
      return false;
    }
    this.add(readCommandTag(buffer, at, end));
    return true;
  }

  /** EmptyQueryResponse. */
  empty(): void {
    this.add({ command: null as never, rowCount: null, oid: null });
  }

  private add({ command, rowCount, oid }: CommandTag): void {
    const fields = (this.layout ?? this.prepared?.layout)?.columns ?? NO_COLUMNS;
    const result: WireResult = { command, rowCount, oid, rows: this.rows, fields };
    if (this.result === undefined) this.result = result;
    else if (Array.isArray(this.result)) this.result.push(result);
    else this.result = [this.result, result];
    if (this.isExtended) return;
    this.rows = [];
    this.layout = this.reader = undefined;
  }

  private newReader(): RowReader {
    const { rowMode = 'object', types } = this.question.statement;
    const { prepared, formats } = this;
    const layout = this.layout ?? prepared?.layout;
    if (layout === undefined) throw new Error('The server sent a row before its columns.');
    if (rowMode === 'array' || types !== undefined)
      return layout.readerWith(formats, rowMode, types);
    return layout.readerOf(formats);
  }
}
