// The opt-in table whose rows prove a COMMIT in any history: after a crash and after a failover too.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../kernel/clock.js';
import { QueryError, UsageError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { TripDesk } from '../query/trip-desk.js';

/** What the table works with. */
export interface CommitTableParts {
  /** `table` or `schema.table`, as in `transaction.commitTable`. */
  readonly name: string;
  readonly desk: TripDesk;
  readonly clock: Clock;
  readonly events: Events;
}

/** Rows older than this are swept: by far longer than any doubt lasts. */
const KEEP_MS = 86_400_000;
/** Pause between two sweeps by a process, and rows of one sweep: bounded work beside the application's. */
const SWEEP = { everyMs: 60_000, maxRows: 10_000 };
/** Errors of two processes that create the table at the same time. */
const CREATED_MEANWHILE = ['42P07', '23505'];

/** 48 bits of ms since 1970, then random ones, in the shape of a UUID of version 7: ordered by time. */
function timeOrderedUuid(nowMs: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Creates the table when it is missing, makes tokens and sweeps old rows. */
export class CommitTable {
  /** The name, quoted. */
  readonly quoted: string;
  private creating: Promise<void> | undefined;
  private sweptAtMs: number;

  constructor(private readonly parts: CommitTableParts) {
    this.quoted = parts.name
      .split('.')
      .map((part) => `"${part}"`)
      .join('.');
    this.sweptAtMs = parts.clock.monotonicMs();
  }

  newToken(): string {
    return timeOrderedUuid(this.parts.clock.nowMs());
  }

  /**
   * Sees that the table is there, once a process.
   * @throws UsageError with the statement to run when this role may not create it.
   */
  async ensure(): Promise<void> {
    try {
      await (this.creating ??= this.create());
    } catch (error) {
      this.creating = undefined;
      throw error;
    }
  }

  /** Deletes old rows in the background, once a minute at most; a failure is told and tried again. */
  sweepNowAndThen(): void {
    const { clock, desk, events } = this.parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.sweptAtMs < SWEEP.everyMs) return;
    this.sweptAtMs = nowMs;
    const oldest = timeOrderedUuid(clock.nowMs() - KEEP_MS);
    const text = `DELETE FROM ${this.quoted} WHERE token IN (SELECT token FROM ${this.quoted} WHERE token < $1 LIMIT ${SWEEP.maxRows})`;
    desk
      .sendAlone({ text, values: [oldest] })
      .catch((error: unknown) => events.emit('work:failed', { work: 'commit table sweep', error }));
  }

  private async create(): Promise<void> {
    const { desk, name } = this.parts;
    const known = await desk.sendAlone({
      text: 'SELECT to_regclass($1) IS NOT NULL AS known',
      values: [this.quoted],
    });
    if (known.rows[0]?.['known'] === true) return;
    const text = `CREATE TABLE IF NOT EXISTS ${this.quoted} (token uuid PRIMARY KEY)`;
    try {
      await desk.sendAlone({ text });
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      if (CREATED_MEANWHILE.includes(error.sqlState ?? '')) return;
      throw new UsageError(
        `transaction.commitTable = ${JSON.stringify(name)} could not be created (${error.message}). ` +
          `Let a role that may create it run: ${text}; and grant SELECT, INSERT and DELETE on it.`,
        error,
      );
    }
  }
}
