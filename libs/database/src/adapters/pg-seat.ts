// Where the statements of a client run: on a lease of its own.
import { ConnectionError, InDoubtError, QueryTimeoutError } from '../kernel/errors.js';
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Pinned } from '../query/trip.js';
import type { PgResult } from './pg-pool.types.js';
import { readCommand } from './transaction-command.js';

/** The place of a checked out client. */
export interface PgSeat {
  readonly lease: Lease;
  /** True when the client is the only user of the connection. */
  readonly isOwn: boolean;
  /** Where a statement goes now. */
  pinned(): Pinned;
  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult>;
  /** The client is given back; `destroys` gives up the connection too. */
  leave(destroys: boolean): void;
}

/** A lease from `connect()` to `release()`. */
export class OwnSeat implements PgSeat {
  readonly isOwn = true;

  constructor(
    readonly lease: Lease,
    private readonly desk: TripDesk,
  ) {}

  pinned(): Pinned {
    return this.lease;
  }

  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult> {
    const isCommit = readCommand(statement.text)?.verb === 'commit';
    if (isCommit) return this.commit(statement);
    return this.desk.sendOn(this.lease, statement, { timeoutMs }) as Promise<PgResult>;
  }

  leave(destroys: boolean): void {
    if (destroys) this.lease.drop('its client was released as broken');
    else if (!this.lease.isReleased) this.lease.release();
  }

  /** Never cancelled midway: nobody would know its outcome. */
  private async commit(statement: Statement): Promise<PgResult> {
    const { desk, lease } = this;
    try {
      return (await desk.sendOn(lease, statement, { uncancellable: true })) as PgResult;
    } catch (error) {
      const isLost = error instanceof ConnectionError || error instanceof QueryTimeoutError;
      if (!isLost || error.safeToRetry) throw error;
      lease.drop('its COMMIT was not answered');
      throw new InDoubtError(
        'The connection was lost while COMMIT was under way: the transaction may be committed or not. ' +
          'Look for its effect before you run it again.',
        { cause: error },
      );
    }
  }
}
