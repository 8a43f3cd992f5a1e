// Results row by row: a cursor in a transaction, fetched in batches at the pace of the reader.
import { QueryAbortedError, UsageError } from './kernel/errors.js';
import type { Consistency } from './query/query.js';
import type { Session } from './transaction/transaction.js';

/** Options of `stream`. */
export interface StreamOptions {
  /** Rows fetched at a time; what the reader has not taken yet waits in memory. @default 500 */
  readonly batchSize?: number | undefined;
  /** Longest time of one fetch on the server, in ms. @default pool.statementTimeoutMs */
  readonly fetchTimeoutMs?: number | undefined;
  /** Longest time of the whole stream, in ms. @default 3600000 */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How fresh the rows are, outside of a transaction. @default routing.consistency */
  readonly consistency?: Consistency | undefined;
  /** A token of `consistencyToken()`: the rows show what was written before it. */
  readonly after?: string | undefined;
  /** Replicas that lag more than this are not asked, in ms. @default routing.maxLagMs */
  readonly maxLagMs?: number | undefined;
}

/** Defaults of {@link StreamOptions}. */
export const STREAM_DEFAULTS = Object.freeze({ batchSize: 500, timeoutMs: 3_600_000 });

let cursors = 0;

/**
 * Rows of a statement; its cursor is closed when the reader stops. Inside a transaction it is read as it goes; in
 * a session, which has none, the server keeps the whole result (WITH HOLD), so that other statements can go on.
 */
export async function* readCursor<Row>(
  session: Session,
  text: string,
  values: readonly unknown[],
  { batchSize = STREAM_DEFAULTS.batchSize, fetchTimeoutMs, signal }: StreamOptions,
): AsyncGenerator<Row> {
  const options = { timeoutMs: fetchTimeoutMs, signal };
  const name = `cursor_${++cursors}`;
  let isOpen = false;
  const fetch = async (): Promise<Row[]> => {
    const text = `FETCH FORWARD ${batchSize} FROM ${name}`;
    return (await session.query<Row>(text, [], options)).rows;
  };
  const hold = session.isInTransaction ? '' : ' WITH HOLD';
  await session.query(`DECLARE ${name} NO SCROLL CURSOR${hold} FOR ${text}`, values, options);
  try {
    let rows = await fetch();
    // False while a fetch is under way: after a failed one the cursor is gone, and CLOSE would hide its error.
    for (; rows.length > 0; isOpen = false, rows = await fetch()) {
      isOpen = true;
      for (const row of rows) {
        requireNotAborted(signal);
        yield row;
      }
    }
    isOpen = true;
  } finally {
    if (isOpen && session.isHealthy) await session.query(`CLOSE ${name}`);
  }
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new QueryAbortedError('The caller aborted the stream.', { cause: signal.reason });
}

/** @throws UsageError for a batch that holds nothing. */
export function requireBatchSize(batchSize: number | undefined): void {
  if (batchSize === undefined || (Number.isInteger(batchSize) && batchSize >= 1)) return;
  throw new UsageError(
    `batchSize = ${JSON.stringify(batchSize)} must be a whole number of rows, 1 at least.`,
  );
}
