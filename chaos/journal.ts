// What the load did, line by line, in a file that no crash of the load can take back.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * Ways to transfer money:
 * - `statement`: one statement in autocommit.
 * - `plain`: a transaction that is not repeated.
 * - `retried`: a transaction that the library may run again.
 * - `cancelled`: a transaction whose caller may abort it.
 * - `exactly-once`: a transaction whose outcome the library has to learn, with a table of proofs.
 * - `exactly-once-by-id`: the same without the table, by the transaction's id alone.
 */
export type TransferKind =
  'statement' | 'plain' | 'retried' | 'cancelled' | 'exactly-once' | 'exactly-once-by-id';

/**
 * Calls that change nothing: `own-read` looks for an acknowledged transfer, `sum-read` adds up all balances,
 * `nap` sleeps on the server until its caller aborts it.
 */
export type ReadKind = 'own-read' | 'sum-read' | 'nap';

/** A call begins. */
export interface CallEntry {
  readonly type: 'call';
  readonly id: string;
  readonly kind: TransferKind | ReadKind;
  readonly atMs: number;
  /** By when its promise has to be settled, from its begin, in ms. */
  readonly boundMs: number;
  /** No time limit of the library may end it earlier, in ms. */
  readonly limitMs: number;
  /** The transfer that an `own-read` looks for. */
  readonly of?: string;
  /** How it asks for it: by a token, or on the primary. */
  readonly by?: string;
}

/** A call succeeded. */
export interface OkEntry {
  readonly type: 'ok';
  readonly id: string;
  readonly atMs: number;
  /** What a read found: how often the transfer is there, or the sum of the balances. */
  readonly found?: number;
}

/** A call failed. */
export interface FailEntry {
  readonly type: 'fail';
  readonly id: string;
  readonly atMs: number;
  readonly name: string;
  readonly code: string | undefined;
  readonly sqlState: string | undefined;
  readonly safeToRetry: boolean;
  /** Whether its caller had aborted it by then. */
  readonly aborted: boolean;
  readonly message: string;
}

/** Nobody caught an error: without the listener the process would have died. */
export interface CrashEntry {
  readonly type: 'crash';
  readonly atMs: number;
  readonly message: string;
}

/** One line of the journal. */
export type JournalEntry = CallEntry | OkEntry | FailEntry | CrashEntry;

/** Milliseconds of the machine's monotonic clock, the same in all its processes. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Appends entries. Each is in the kernel's hands when `write` returns, whatever becomes of the process. */
export class Journal {
  private readonly file: number;

  constructor(path: string) {
    this.file = openSync(path, 'a');
  }

  write(entry: JournalEntry): void {
    writeSync(this.file, `${JSON.stringify(entry)}\n`);
  }

  close(): void {
    closeSync(this.file);
  }
}

/** All entries of a journal. A last line that was cut off by a crash is left out. */
export function readJournal(path: string): JournalEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalEntry);
}
