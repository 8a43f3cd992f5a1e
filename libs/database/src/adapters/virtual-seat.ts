// Where the statements of a client run that has no connection until it needs one.
import type { Clock } from '../kernel/clock.js';
import { QueryTimeoutError, UsageError } from '../kernel/errors.js';
import type { BorrowPlace } from '../pool/borrow-sampler.js';
import type { Lease } from '../pool/lease.js';
import type { Classifier } from '../query/classify.js';
import type { Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Caller, Holding } from '../query/trip.js';
import type { Ambient } from '../transaction/ambient.js';
import type { PgResult } from './pg-pool.types.js';
import { tell } from './pg-call.js';
import { OwnSeat } from './pg-seat.js';
import type { PgSeat, PgWork, SessionEvent } from './pg-seat.js';
import type { BorrowRequest, RoleDesk } from './role-desk.js';
import { readCommand } from './transaction-command.js';
import type { TransactionCommand } from './transaction-command.js';
import { Turns } from './turns.js';
import type { Turn } from './turns.js';

/** What the virtual seats of a pool work with. */
export interface VirtualSeatParts {
  /** Name of the node while there is no connection; asked only when somebody wants to know. */
  readonly node: () => string;
  readonly ambient: Ambient;
  readonly desk: TripDesk;
  /** Sends on any connection, and borrows one. */
  readonly roleDesk: RoleDesk;
  readonly classifier: Classifier;
  readonly clock: Clock;
}

/** Somebody who hears the session. */
interface Listening {
  readonly event: SessionEvent;
  readonly listener: (message: never) => void;
}

/** What a command gives that is answered without the server. */
function newResult(command: string): PgResult {
  return { command, rowCount: null, oid: null, rows: [], fields: [] };
}

const NO_COMMAND: Partial<TransactionCommand> = Object.freeze({});

const LEFT = 'The client was released before its statement had a connection. Await it first.';
const WAITED = 'The client was released while statements waited on it. Await them first.';
const SEQUENCE = /\b(?:currval|lastval)\b/i;
const ELSEWHERE =
  'currval() and lastval() tell of the session, and the last write of this client ran on a connection that it has ' +
  'given back. Read the key by RETURNING, write and ask in one transaction, or set pool.virtualClients to false.';

/**
 * Statements that leave nothing in a session run on any connection. The first one that does takes a connection: for
 * good, or until its transaction is over when it leaves nothing beyond that. One statement runs at a time, in the order
 * in which they were given.
 */
export class VirtualSeat implements PgSeat {
  readonly isOwn = true;
  private own: OwnSeat | undefined;
  private isKept = false;
  private hasLeft = false;
  private readonly turns = new Turns(this);
  private readonly listening: Listening[] = [];
  /** Where the client wrote last: its own connection, or one that somebody else may have by now. */
  private wrote: 'nowhere' | 'here' | 'elsewhere' = 'nowhere';

  constructor(
    private readonly borrowedAt: BorrowPlace | undefined,
    private readonly parts: VirtualSeatParts,
  ) {}

  get lease(): Lease | undefined {
    return this.own?.lease;
  }

  get node(): string {
    return this.lease?.node ?? this.parts.node();
  }

  run(statement: Statement, timeoutMs: number | undefined, caller: Caller<PgResult>): void {
    const { settled } = this;
    if (settled !== undefined) {
      settled.run(statement, timeoutMs, caller);
      return;
    }
    const { ambient, clock } = this.parts;
    const { holding } = ambient;
    const givenAtMs = this.turns.isBusy ? clock.monotonicMs() : undefined;
    this.turns.add(caller, (turn) => {
      const waitedMs = givenAtMs === undefined ? 0 : clock.monotonicMs() - givenAtMs;
      const leftMs = timeoutMs === undefined ? undefined : timeoutMs - waitedMs;
      if (waitedMs === 0 || leftMs === undefined || leftMs > 0)
        this.send(statement, leftMs, holding, turn);
      else turn.reject(new QueryTimeoutError(waitedMs, { safeToRetry: true }));
    });
  }

  work(request: PgWork): Promise<void> {
    const { settled } = this;
    if (settled !== undefined) return settled.work(request);
    const { holding } = this.parts.ambient;
    return new Promise((resolve, reject) => {
      this.turns.add({ resolve, reject }, (turn: Turn<void>) =>
        this.checkOut({ holding }, turn, (own) => {
          this.keep();
          tell(turn, own.work(request));
        }),
      );
    });
  }

  keep(): void {
    this.isKept = true;
  }

  listen(event: SessionEvent, listener: (message: never) => void): void {
    this.listening.push({ event, listener });
    this.own?.listen(event, listener);
  }

  leave(destroys: boolean): void {
    this.hasLeft = true;
    this.turns.refuse(() => new UsageError(WAITED));
    this.own?.leave(destroys);
  }

  /** The seat on the connection once that is the client's for good: its queue is the connection's then. */
  private get settled(): OwnSeat | undefined {
    return this.isKept && !this.turns.isBusy ? this.own : undefined;
  }

  private send(
    statement: Statement,
    timeoutMs: number | undefined,
    holding: Holding | undefined,
    caller: Caller<PgResult>,
  ): void {
    const { kind, trace } = this.parts.classifier.classify(statement.text);
    if (this.own === undefined && !this.isKept && trace === 'none') {
      if (kind !== 'pure') this.wrote = 'elsewhere';
      this.parts.roleDesk.send(statement, { timeoutMs, pinned: undefined, holding }, caller);
      return;
    }
    if (this.wrote === 'elsewhere' && SEQUENCE.test(statement.text))
      throw new UsageError(ELSEWHERE);
    const beginsTransaction = readCommand(statement.text)?.verb === 'begin';
    this.checkOut({ holding, beginsTransaction }, caller, (own) => {
      if (trace === 'session') this.keep();
      else if (trace === 'transaction') {
        const result = this.bound(own.lease, statement.text);
        if (result !== undefined) {
          caller.resolve(result);
          return;
        }
      }
      // BEGIN alone writes nothing: what was written elsewhere is not here by it.
      const writes = trace === 'transaction' ? this.wrote === 'nowhere' : kind !== 'pure';
      if (writes) this.wrote = 'here';
      own.run(statement, timeoutMs, caller);
      // Whoever waits for a connection may begin behind this COMMIT.
      if (own.lease.isEnding && !this.turns.isAwaited) this.giveBack();
    });
  }

  /** BEGIN goes ahead of the first statement, in its round trip; of a transaction without one nothing is sent. */
  private bound(lease: Lease, text: string): PgResult | undefined {
    const { verb, tag } = readCommand(text) ?? NO_COMMAND;
    if (tag !== undefined) {
      if (lease.isWorking || lease.transactionStatus !== 'idle') return undefined;
      lease.begin(() => [text]);
      return newResult(tag);
    }
    if (lease.hasBegun || (verb !== 'commit' && verb !== 'rollback')) return undefined;
    const isFailed = lease.transactionStatus === 'failed';
    lease.forgetBegin();
    return newResult(verb === 'commit' && !isFailed ? 'COMMIT' : 'ROLLBACK');
  }

  /** Calls `use` with the connection of the client, at once when it has one. */
  private checkOut(
    how: BorrowRequest,
    caller: Pick<Caller, 'reject'>,
    use: (own: OwnSeat) => void,
  ): void {
    if (this.own !== undefined) {
      use(this.own);
      return;
    }
    const { desk, roleDesk } = this.parts;
    const resolve = (lease: Lease): void => {
      if (this.hasLeft) {
        lease.release();
        caller.reject(new UsageError(LEFT));
        return;
      }
      const own = new OwnSeat(lease, desk);
      this.own = own;
      for (const { event, listener } of this.listening) own.listen(event, listener);
      use(own);
    };
    roleDesk.borrow(how, this.borrowedAt, { resolve, reject: (error) => caller.reject(error) });
  }

  /** @internal Between transactions the connection is for others, unless something of this client stays in its session. */
  giveBack(): void {
    const { own } = this;
    if (own === undefined || this.isKept || this.hasLeft) return;
    const { lease } = own;
    // Its session is over, and another one would hide that.
    if (lease.isReleased || !lease.isUsable) this.keep();
    else if (lease.isEnding || (!lease.isWorking && lease.transactionStatus === 'idle')) {
      this.own = undefined;
      if (this.wrote === 'here') this.wrote = 'elsewhere';
      own.leave(false);
    }
  }
}
