// Where the statements of a client run: on a lease of its own.
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Pinned } from '../query/trip.js';
import { doubtOf } from '../transaction/boundaries.js';
import type { PgResult } from './pg-pool.types.js';
import { readCommand } from './transaction-command.js';

/** The place of a checked out client. */
export interface PgSeat {
  readonly lease: Lease;
  /** True when the client is the only user of the connection. */
  readonly isOwn: boolean;
  /** Ends when commands that change where statements go have been obeyed; undefined when there are none. */
  readonly turn: Promise<unknown> | undefined;
  /** Where a statement goes now. */
  pinned(): Pinned;
  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult>;
  /** The client is given back; `destroys` gives up the connection too. */
  leave(destroys: boolean): void;
}

/**
 * Sends a COMMIT, which is never cancelled midway.
 * @throws InDoubtError when it gets no answer: nobody knows its outcome.
 */
export async function sendCommit(
  desk: TripDesk,
  lease: Lease,
  pinned: Pinned,
  statement: Statement,
): Promise<PgResult> {
  try {
    return (await desk.sendOn(pinned, statement, { uncancellable: true })) as PgResult;
  } catch (error) {
    throw doubtOf(error, lease);
  }
}

/** A lease from `connect()` to `release()`. */
export class OwnSeat implements PgSeat {
  readonly isOwn = true;
  readonly turn = undefined;

  constructor(
    readonly lease: Lease,
    private readonly desk: TripDesk,
  ) {}

  pinned(): Pinned {
    return this.lease;
  }

  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult> {
    const { desk, lease } = this;
    if (readCommand(statement.text)?.verb === 'commit') {
      return sendCommit(desk, lease, lease, statement);
    }
    return desk.sendOn(lease, statement, { timeoutMs }) as Promise<PgResult>;
  }

  leave(destroys: boolean): void {
    if (destroys) this.lease.drop('its client was released as broken');
    else if (!this.lease.isReleased) this.lease.release();
  }
}
