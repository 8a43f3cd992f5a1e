// What the server says about a statement that it refused.
import { DatabaseError } from './errors.js';
import type { ErrorFacts } from './errors.js';

/** What PostgreSQL says about a failed statement, as fields. */
export interface QueryErrorFacts extends ErrorFacts {
  readonly severity?: string | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly position?: number | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
}

/** The server refused the statement. `detail` may hold row values: keep it out of answers. */
export class QueryError extends DatabaseError {
  readonly code: string = 'DB_QUERY';
  readonly severity: string | undefined;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** 1-based character position in the statement's text. */
  readonly position: number | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;

  constructor(message: string, facts: QueryErrorFacts = {}) {
    super(message, facts);
    this.severity = facts.severity;
    this.detail = facts.detail;
    this.hint = facts.hint;
    this.position = facts.position;
    this.schema = facts.schema;
    this.table = facts.table;
    this.column = facts.column;
    this.dataType = facts.dataType;
    this.constraint = facts.constraint;
  }
}

/** SQLSTATE 23505. */
export class UniqueViolationError extends QueryError {
  override readonly code = 'DB_UNIQUE_VIOLATION';
}

/** SQLSTATE 23503. */
export class ForeignKeyViolationError extends QueryError {
  override readonly code = 'DB_FOREIGN_KEY_VIOLATION';
}

/** SQLSTATE 23502. */
export class NotNullViolationError extends QueryError {
  override readonly code = 'DB_NOT_NULL_VIOLATION';
}

/** SQLSTATE 23514. */
export class CheckViolationError extends QueryError {
  override readonly code = 'DB_CHECK_VIOLATION';
}

/** SQLSTATE 40001: the whole transaction has to run again. */
export class SerializationError extends QueryError {
  override readonly code = 'DB_SERIALIZATION';
}

/** SQLSTATE 40P01: the whole transaction has to run again. */
export class DeadlockError extends QueryError {
  override readonly code = 'DB_DEADLOCK';
}

/** A statement that writes was sent where only reading is allowed. */
export class ReadOnlyError extends QueryError {
  override readonly code = 'DB_READ_ONLY';
}
