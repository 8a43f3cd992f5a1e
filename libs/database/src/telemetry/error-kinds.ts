// Why queries failed, counted by code and SQLSTATE.
import type { QueryRecord } from '../kernel/event-map.js';

/** Kinds that get a count of their own: SQLSTATEs can be made up by the application. */
const MAX_KINDS = 100;
const OTHER = 'other';

/** How often queries failed for one reason. */
export interface ErrorFigures {
  readonly code: string;
  readonly sqlState: string | undefined;
  readonly count: number;
}

/** The last query that failed; without text or message, for those may hold data. */
export interface LastQueryError {
  readonly code: string;
  readonly sqlState: string | undefined;
  readonly node: string | undefined;
  /** Wall time, in ms since 1970. */
  readonly atMs: number;
}

/** Counts of errors from the start of the process; kinds beyond the hundredth are one kind. */
export class ErrorKinds {
  private readonly kinds = new Map<string, ErrorFigures>();
  private lastSeen: LastQueryError | undefined;

  get last(): LastQueryError | undefined {
    return this.lastSeen;
  }

  record({ errorCode: code = OTHER, sqlState, node, endedAtMs: atMs }: QueryRecord): void {
    this.lastSeen = { code, sqlState, node, atMs };
    const key = sqlState === undefined ? code : `${code} ${sqlState}`;
    const hasRoom = this.kinds.has(key) || this.kinds.size < MAX_KINDS - 1;
    if (hasRoom) this.count(key, code, sqlState);
    else this.count(OTHER, OTHER, undefined);
  }

  figures(): ErrorFigures[] {
    return [...this.kinds.values()];
  }

  private count(key: string, code: string, sqlState: string | undefined): void {
    const count = (this.kinds.get(key)?.count ?? 0) + 1;
    this.kinds.set(key, { code, sqlState, count });
  }
}
