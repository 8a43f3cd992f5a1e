// What travels: a statement, how it may be run, and what comes back.

/** Finds the parser of a type, by its object id and the format it is sent in. */
export interface TypeParsers {
  getTypeParser(oid: number, format?: string): (value: string) => unknown;
}

/** A statement as the caller wrote it. */
export interface Statement {
  readonly text: string;
  /** Values of `$1`, `$2`, ...; bound, never put into the text. */
  readonly values?: readonly unknown[] | undefined;
  /** Name of a prepared statement, kept per connection. */
  readonly name?: string | undefined;
  /** Rows as objects (default) or as arrays in the order of the columns. */
  readonly rowMode?: 'object' | 'array' | undefined;
  /** Parsers of values for this statement, in place of those of `pg`. */
  readonly types?: TypeParsers | undefined;
}

/** Whether the caller declared the statement as reading only. */
export type Intent = 'read' | 'write';

/** How fresh a read must be. */
export type Consistency = 'primary' | 'session' | 'eventual';

/** Options of one call. */
export interface QueryOptions {
  /**
   * Time for the whole call: queue, connecting, retries and server together, in ms. Replaces
   * `pool.statementTimeoutMs`, up or down.
   * @default pool.acquireTimeoutMs + pool.statementTimeoutMs, of which the server may use pool.statementTimeoutMs
   */
  readonly timeoutMs?: number | undefined;
  /** Cancels the query, on the server too, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `primary`: the latest data; `session`: at least what this context has written; `eventual`: a replica
   * within `routing.maxLagMs` may answer. Reads only.
   * @default routing.consistency
   */
  readonly consistency?: Consistency | undefined;
  /** A token of `consistencyToken()`: the read sees what was written before it. Makes the read a `session` one. */
  readonly after?: string | undefined;
  /** Replicas that lag more than this are not asked, in ms. @default routing.maxLagMs */
  readonly maxLagMs?: number | undefined;
  /** The statement may run twice without harm, so it is repeated after a lost connection. @default false */
  readonly idempotent?: boolean | undefined;
  /** Name of the prepared statement. */
  readonly name?: string | undefined;
}

/** One column of a result. */
export interface Field {
  readonly name: string;
  readonly dataTypeID: number;
  readonly tableID: number;
  readonly columnID: number;
}

/** What a statement gave back. */
export interface QueryResult<Row = Record<string, unknown>> {
  readonly rows: Row[];
  /** Rows returned or changed; 0 for commands that count nothing. */
  readonly rowCount: number;
  /** First word of the server's command tag, such as `SELECT`. */
  readonly command: string;
  readonly fields: readonly Field[];
}
