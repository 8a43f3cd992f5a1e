// Where the statements of a client run: on a lease of its own.
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Pinned, TripRequest } from '../query/trip.js';
import { doubtOf } from '../transaction/boundaries.js';
import type { PgResult } from './pg-pool.types.js';
import { readCommand } from './transaction-command.js';

/** What a session tells by itself. */
export type SessionEvent = Parameters<Lease['connection']['listen']>[0];

/** Something that speaks the protocol by itself: a cursor, a COPY stream. */
export type PgWork = Pick<TripRequest, 'statement' | 'timeoutMs' | 'signal'> & {
  readonly work: (connection: Lease['connection']) => Promise<void>;
};

/** The place of a checked out client. */
export interface PgSeat {
  /** Its connection; undefined while it has none. */
  readonly lease: Lease | undefined;
  /** Name of the node that the client asks. */
  readonly node: string;
  /** True when the client is the only user of the connection. */
  readonly isOwn: boolean;
  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult>;
  work(request: PgWork): Promise<void>;
  /** From now on the connection is not given back before the end. */
  keep(): void;
  /** Hears the session, or the sessions that the client has. Returns what ends that. */
  listen(event: SessionEvent, listener: (message: never) => void): () => void;
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

  constructor(
    readonly lease: Lease,
    private readonly desk: TripDesk,
  ) {}

  get node(): string {
    return this.lease.node;
  }

  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult> {
    const { desk, lease } = this;
    if (readCommand(statement.text)?.verb === 'commit') {
      return sendCommit(desk, lease, lease, statement);
    }
    return desk.sendOn(lease, statement, { timeoutMs }) as Promise<PgResult>;
  }

  work(request: PgWork): Promise<void> {
    return this.desk.sendWork({ ...request, pinned: this.lease });
  }

  /** It has one from the beginning. */
  keep(): void {}

  listen(event: SessionEvent, listener: (message: never) => void): () => void {
    return this.lease.connection.listen(event, listener);
  }

  leave(destroys: boolean): void {
    if (destroys) this.lease.drop('its client was released as broken');
    else if (!this.lease.isReleased) this.lease.release();
  }
}
