// What results look like: their columns, and how their rows are read. Remembered, whatever statement gives them.
import { hasBytes, latin1 } from '../rows/column.js';
import type { Column } from '../rows/column.js';
import type { TypeParsers } from '../../query/query.js';
import { parsersOf, watchParsers } from '../rows/parsers.js';
import { chooseFormats } from '../rows/plan.js';
import { newRowReader, RowPlan } from '../rows/row-reader.js';
import type { Formats, RowMode, RowReader } from '../rows/row-reader.js';
import { readColumns } from './server-messages.js';

/** Layouts that are remembered; the oldest one goes first. To plan one costs 3 us, and 1 us more for each column. */
const MAX_LAYOUTS = 500;
/** Longer descriptions are read anew each time, in bytes. */
const MAX_BYTES = 8_192;

/** The columns of a result, and the readers of its rows. */
export class Layout {
  /** Formats to ask for; undefined is text for all. */
  formats: Formats;
  private isCurrent: () => boolean = () => false;
  private textReader: RowReader | undefined;
  private reader: RowReader | undefined;
  /** How rows were read last in each shape by {@link readerWith}. */
  private readonly plans: Record<RowMode, RowPlan | undefined> = {
    object: undefined,
    array: undefined,
  };

  constructor(
    readonly columns: readonly Column[],
    /** The RowDescription that tells them. */
    private readonly description: Uint8Array,
  ) {
    this.refresh();
  }

  /** Whether the RowDescription `at` ... `end` tells of this one. */
  isOf(buffer: Buffer, at: number, end: number): boolean {
    return hasBytes(this.description, buffer, at, end);
  }

  /** Before each use: an application may have set a parser of `pg` since. */
  refresh(): void {
    if (this.isCurrent()) return;
    this.formats = chooseFormats(this.columns, undefined);
    this.isCurrent = watchParsers(this.columns, undefined);
    this.textReader = this.reader = undefined;
  }

  /**
   * Reads rows in another shape, or with parsers of the caller. A query builder brings new ones with each statement, and
   * by most of them the columns are read as they were by the last ones.
   */
  readerWith(formats: Formats, rowMode: RowMode, types: TypeParsers | undefined): RowReader {
    const parsers = parsersOf(this.columns, types);
    let plan = this.plans[rowMode];
    if (plan?.fits(formats, parsers) !== true) {
      plan = new RowPlan(this.columns, formats, rowMode, parsers);
      this.plans[rowMode] = plan;
    }
    return plan.readerOf(parsers);
  }

  /** Reads rows as objects with the parsers of `pg`; made once for each choice of formats. */
  readerOf(formats: Formats): RowReader {
    const known = formats === undefined ? this.textReader : this.reader;
    const isChosen = formats === undefined || formats === this.formats;
    if (known !== undefined && isChosen) return known;
    const fresh = newRowReader(this.columns, formats, 'object', undefined);
    // Asked for before a parser was set: for these rows alone, for that parser may be gone at the next refresh.
    if (!isChosen || !this.isCurrent()) return fresh;
    if (formats === undefined) this.textReader = fresh;
    else this.reader = fresh;
    return fresh;
  }
}

const layouts = new Map<string, Layout>();
/** The one that was asked for last: many results in turn look alike, and to compare costs less than to look up. */
let last: Layout | undefined;

/** The layout that a RowDescription tells. */
export function layoutOf(buffer: Buffer, at: number, end: number): Layout {
  if (end - at > MAX_BYTES) return newLayout(buffer, at, end);
  if (last?.isOf(buffer, at, end) !== true) last = recall(buffer, at, end);
  last.refresh();
  return last;
}

function recall(buffer: Buffer, at: number, end: number): Layout {
  const description = latin1(buffer, at, end);
  const known = layouts.get(description);
  if (known !== undefined) return known;
  const fresh = newLayout(buffer, at, end);
  if (layouts.size >= MAX_LAYOUTS) layouts.delete(layouts.keys().next().value ?? '');
  layouts.set(description, fresh);
  return fresh;
}

function newLayout(buffer: Buffer, at: number, end: number): Layout {
  const description = Uint8Array.from(buffer.subarray(at, end));
  return new Layout(Object.freeze(readColumns(buffer, at)), description);
}
