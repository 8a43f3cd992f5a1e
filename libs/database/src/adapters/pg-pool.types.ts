// What users of `pg.Pool` hand over and get back, without the types of `pg`.
import type { TypeParsers } from '../query/query.js';

/** One column of a result. */
export interface PgField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** What a statement gave back; an array of these for a text with several statements. */
export interface PgResult<Row = Record<string, unknown>> {
  rows: Row[];
  /** Null for commands that count nothing. */
  rowCount: number | null;
  /** First word of the server's command tag, such as `SELECT`. */
  command: string;
  oid: number | null;
  fields: PgField[];
}

/** A statement as an object. */
export interface PgQueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Name of a prepared statement, kept per connection. */
  readonly name?: string | undefined;
  /** `array`: rows as arrays in the order of the columns. */
  readonly rowMode?: 'array' | undefined;
  /** Parsers of values for this statement. */
  readonly types?: TypeParsers | undefined;
  /** Time for the whole call, in ms; the statement is cancelled on the server then. */
  readonly query_timeout?: number | undefined;
}

/** A statement that speaks the protocol by itself, such as `new Cursor(...)` of pg-cursor. */
export interface PgSubmittable {
  submit(wire: never): unknown;
}

/** Told how a statement ended. */
export type PgCallback<Row = Record<string, unknown>> = (
  error: Error | undefined,
  result: PgResult<Row>,
) => void;

/** The settings of the pool, under the names of `pg`; read only. */
export interface PgPoolOptions {
  max: number;
  min: number;
  idleTimeoutMillis: number;
  connectionTimeoutMillis: number;
  maxLifetimeSeconds: number;
  maxUses: number;
  allowExitOnIdle: boolean;
}

/** Which server: `replica` asks one that may answer reads, and the primary when there is none. */
export type PgPoolRole = 'primary' | 'replica';
