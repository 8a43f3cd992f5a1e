// Where the statements of a client run: on a lease of its own.
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import { requestOn } from '../query/trip-desk.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Caller, Pinned, TripRequest } from '../query/trip.js';
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
  run(statement: Statement, timeoutMs: number | undefined, caller: Caller<PgResult>): void;
  work(request: PgWork): Promise<void>;
  /** From now on the connection is not given back before the end. */
  keep(): void;
  /** Hears the session, or the sessions that the client has, until it leaves. */
  listen(event: SessionEvent, listener: (message: never) => void): void;
  /** The client is given back; `destroys` gives up the connection too. */
  leave(destroys: boolean): void;
}

/**
 * Sends a COMMIT, which is never cancelled midway. Without an answer nobody knows its outcome: the caller hears of an
 * InDoubtError.
 */
export function sendCommit(
  desk: TripDesk,
  lease: Lease,
  pinned: Pinned,
  statement: Statement,
  caller: Caller<PgResult>,
): void {
  // AND CHAIN leaves a transaction open.
  const endsTransaction = readCommand(statement.text)?.chains === false;
  desk.open(requestOn(pinned, statement, { uncancellable: true, endsTransaction }), {
    resolve: (result: PgResult) => caller.resolve(result),
    reject: (error) => caller.reject(doubtOf(error, lease)),
  });
}

/** What a client hears of a session. */
export class Hearing {
  private readonly stops: Array<() => void> = [];

  listen(lease: Lease, event: SessionEvent, listener: (message: never) => void): void {
    this.stops.push(lease.connection.listen(event, listener));
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }
}

/** A lease from `connect()` to `release()`. */
export class OwnSeat implements PgSeat {
  readonly isOwn = true;
  private readonly hearing = new Hearing();

  constructor(
    readonly lease: Lease,
    private readonly desk: TripDesk,
  ) {}

  get node(): string {
    return this.lease.node;
  }

  run(statement: Statement, timeoutMs: number | undefined, caller: Caller<PgResult>): void {
    const { desk, lease } = this;
    if (readCommand(statement.text)?.verb === 'commit') {
      sendCommit(desk, lease, lease, statement, caller);
    } else desk.open(requestOn(lease, statement, { timeoutMs }), caller);
  }

  work(request: PgWork): Promise<void> {
    return this.desk.sendWork({ ...request, pinned: this.lease });
  }

  /** It has one from the beginning. */
  keep(): void {}

  listen(event: SessionEvent, listener: (message: never) => void): void {
    this.hearing.listen(this.lease, event, listener);
  }

  leave(destroys: boolean): void {
    this.hearing.stop();
    if (destroys) this.lease.drop('its client was released as broken');
    else if (!this.lease.isReleased) this.lease.release();
  }
}
