// Results row by row: a cursor in a transaction, fetched in batches at the pace of the reader.
import type { QueryResult } from './query/query.js';
import type { Session } from './transaction/transaction.js';

/** Options of `stream`. */
export interface StreamOptions {
  /** Rows fetched at a time; what the reader has not taken yet waits in memory. @default 500 */
  readonly batchSize?: number | undefined;
  /** Longest time of the whole stream, in ms. @default 3600000 */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Defaults of {@link StreamOptions}. */
export const STREAM_DEFAULTS = Object.freeze({ batchSize: 500, timeoutMs: 3_600_000 });

let cursors = 0;

/** Rows of a statement inside a transaction; its cursor is closed when the reader stops. */
export async function* readCursor<Row>(
  session: Session,
  text: string,
  values: readonly unknown[],
  batchSize: number,
): AsyncGenerator<Row> {
  const name = `cursor_${++cursors}`;
  await session.query(`DECLARE ${name} NO SCROLL CURSOR FOR ${text}`, values);
  const fetch = (): Promise<QueryResult<Row>> =>
    session.query<Row>(`FETCH FORWARD ${batchSize} FROM ${name}`);
  try {
    for (let batch = await fetch(); batch.rows.length > 0; batch = await fetch()) yield* batch.rows;
  } finally {
    // In a failed transaction the cursor is gone already, and CLOSE would hide the first error.
    if (session.isHealthy) await session.query(`CLOSE ${name}`);
  }
}
