// What a fake connection knows of transactions: enough to say where it stands, no SQL beyond that.
import type { DatabaseError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { TransactionStatus } from '../driver/driver.js';
import type { Field, QueryResult } from '../query/query.js';
import type { FakeAnswer } from './fake-answer.js';

/** What became of one statement, as far as transactions go. */
interface SessionVerdict {
  readonly error: QueryError | undefined;
  /** The command tag. */
  readonly command: string;
}

function refused(sqlState: string, message: string): QueryError {
  return new QueryError(message, { sqlState, severity: 'ERROR' });
}

function fieldsOf(row: Record<string, unknown> | undefined): Field[] {
  const names = Object.keys(row ?? {});
  return names.map((name) => ({ name, dataTypeID: 25, tableID: 0, columnID: 0 }));
}

/** Follows BEGIN, COMMIT, ROLLBACK and savepoints as a server does. */
export class FakeSession {
  status: TransactionStatus = 'idle';
  private savepoints: string[] = [];

  /** The single statements of a text; split at semicolons, for it knows no quotes. */
  private static split(text: string): string[] {
    const parts = text.split(';').map((part) => part.trim());
    return parts.filter((part, index) => part !== '' || (index === 0 && parts.length === 1));
  }

  /** What a text is told, and what it gives: several results for several statements. */
  answer(text: string, answer: FakeAnswer): [DatabaseError | undefined, unknown] {
    if (answer.error !== undefined) {
      this.fail(text);
      return [answer.error, undefined];
    }
    const results: QueryResult[] = [];
    for (const part of FakeSession.split(text)) {
      const { error, command } = this.apply(part);
      if (error !== undefined) return [error, undefined];
      const rows = [...(answer.rows ?? [])];
      const rowCount = answer.rowCount ?? rows.length;
      results.push({ rows, rowCount, command, fields: fieldsOf(rows[0]) });
    }
    return [undefined, results.length === 1 ? results[0] : results];
  }

  /** The statement failed: an open transaction is a failed one from now on, or over when that was its COMMIT. */
  private fail(statement: string): void {
    if (/^commit\b/i.test(statement)) this.finish('COMMIT');
    else if (this.status === 'open') this.status = 'failed';
  }

  /** Applies one statement. */
  private apply(statement: string): SessionVerdict {
    const words = statement.split(/\s+/);
    const command = (words[0] ?? '').toUpperCase();
    const name = words.at(-1) ?? '';
    if (command === 'ROLLBACK' && words.length > 1) return this.rollBackTo(name);
    if (command === 'COMMIT' || command === 'ROLLBACK') return this.finish(command);
    if (this.status === 'failed') {
      const text =
        'current transaction is aborted, commands ignored until end of transaction block';
      return { error: refused('25P02', text), command };
    }
    if (command === 'BEGIN') this.status = 'open';
    if (command === 'SAVEPOINT') this.savepoints.push(name);
    if (command === 'RELEASE') this.savepoints = this.savepoints.slice(0, this.at(name));
    return { error: undefined, command };
  }

  private finish(command: string): SessionVerdict {
    const failed = this.status === 'failed';
    this.status = 'idle';
    this.savepoints = [];
    return { error: undefined, command: failed ? 'ROLLBACK' : command };
  }

  private rollBackTo(name: string): SessionVerdict {
    const at = this.at(name);
    const command = 'ROLLBACK';
    if (at < 0) {
      this.fail(command);
      return { error: refused('3B001', `savepoint "${name}" does not exist`), command };
    }
    this.savepoints = this.savepoints.slice(0, at + 1);
    this.status = 'open';
    return { error: undefined, command };
  }

  private at(name: string): number {
    return this.savepoints.lastIndexOf(name);
  }
}
