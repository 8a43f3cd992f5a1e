// Where the statements of a client run that has no connection until it needs one.
import type { Clock } from '../kernel/clock.js';
import { QueryTimeoutError, UsageError } from '../kernel/errors.js';
import type { Lease } from '../pool/lease.js';
import type { Classifier } from '../query/classify.js';
import type { Statement } from '../query/query.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Holding } from '../query/trip.js';
import type { PgResult } from './pg-pool.types.js';
import { OwnSeat } from './pg-seat.js';
import type { PgSeat, PgWork, SessionEvent } from './pg-seat.js';
import { readCommand } from './transaction-command.js';

/** What a virtual seat works with. */
export interface VirtualSeatParts {
  /** Name of the node while there is no connection; asked only when somebody wants to know. */
  readonly node: () => string;
  readonly desk: TripDesk;
  readonly classifier: Classifier;
  readonly clock: Clock;
  /** What the code that asks now holds. */
  readonly holding: () => Holding | undefined;
  /** Takes a connection out of the pool. */
  readonly borrow: (holding: Holding | undefined) => Promise<Lease>;
  /** Runs a statement on any connection, as `pool.query()` does. */
  readonly send: (
    statement: Statement,
    timeoutMs: number | undefined,
    holding: Holding | undefined,
  ) => Promise<PgResult>;
}

/** A statement that waits for the one before it. */
interface Waiting {
  readonly go: () => void;
  readonly refuse: (error: UsageError) => void;
}

/** Somebody who hears the session. */
interface Hearing {
  readonly event: SessionEvent;
  readonly listener: (message: never) => void;
  stop: (() => void) | undefined;
}

/** What a command gives that is answered without the server. */
function newResult(command: string): PgResult {
  return { command, rowCount: null, oid: null, rows: [], fields: [] };
}

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
  private isBusy = false;
  private readonly waiting: Waiting[] = [];
  private readonly hearings = new Set<Hearing>();
  /** Where the client wrote last: its own connection, or one that somebody else may have by now. */
  private wrote: 'nowhere' | 'here' | 'elsewhere' = 'nowhere';

  constructor(private readonly parts: VirtualSeatParts) {}

  get lease(): Lease | undefined {
    return this.own?.lease;
  }

  get node(): string {
    return this.lease?.node ?? this.parts.node();
  }

  run(statement: Statement, timeoutMs: number | undefined): Promise<PgResult> {
    if (this.settled !== undefined) return this.settled.run(statement, timeoutMs);
    const { clock } = this.parts;
    const holding = this.parts.holding();
    if (!this.isBusy) return this.start(() => this.send(statement, timeoutMs, holding));
    const givenAtMs = clock.monotonicMs();
    return this.inTurn(() => {
      const waitedMs = clock.monotonicMs() - givenAtMs;
      if (timeoutMs === undefined) return this.send(statement, undefined, holding);
      if (waitedMs < timeoutMs) return this.send(statement, timeoutMs - waitedMs, holding);
      return Promise.reject(new QueryTimeoutError(waitedMs, { safeToRetry: true }));
    });
  }

  work(request: PgWork): Promise<void> {
    if (this.settled !== undefined) return this.settled.work(request);
    const holding = this.parts.holding();
    const work = async (): Promise<void> => {
      const own = await this.checkOut(holding);
      this.keep();
      await own.work(request);
    };
    return this.isBusy ? this.inTurn(work) : this.start(work);
  }

  keep(): void {
    this.isKept = true;
  }

  listen(event: SessionEvent, listener: (message: never) => void): () => void {
    const hearing: Hearing = { event, listener, stop: this.own?.listen(event, listener) };
    this.hearings.add(hearing);
    return () => {
      this.hearings.delete(hearing);
      hearing.stop?.();
    };
  }

  leave(destroys: boolean): void {
    this.hasLeft = true;
    if (this.waiting.length > 0) {
      const error = new UsageError(WAITED);
      for (const { refuse } of this.waiting.splice(0)) refuse(error);
    }
    this.own?.leave(destroys);
  }

  /** The seat on the connection once that is the client's for good: its queue is the connection's then. */
  private get settled(): OwnSeat | undefined {
    return this.isKept && !this.isBusy ? this.own : undefined;
  }

  private async send(
    statement: Statement,
    timeoutMs: number | undefined,
    holding: Holding | undefined,
  ): Promise<PgResult> {
    const { kind, trace } = this.parts.classifier.classify(statement.text);
    if (this.own === undefined && !this.isKept && trace === 'none') {
      if (kind !== 'pure') this.wrote = 'elsewhere';
      return this.parts.send(statement, timeoutMs, holding);
    }
    if (this.wrote === 'elsewhere' && SEQUENCE.test(statement.text))
      throw new UsageError(ELSEWHERE);
    const own = await this.checkOut(holding);
    if (trace === 'session') this.keep();
    else if (trace === 'transaction') {
      const result = this.bound(own.lease, statement.text);
      if (result !== undefined) return result;
    }
    // BEGIN alone writes nothing: what was written elsewhere is not here by it.
    const writes = trace === 'transaction' ? this.wrote === 'nowhere' : kind !== 'pure';
    if (writes) this.wrote = 'here';
    return own.run(statement, timeoutMs);
  }

  /** BEGIN goes ahead of the first statement, in its round trip; of a transaction without one nothing is sent. */
  private bound(lease: Lease, text: string): PgResult | undefined {
    const verb = readCommand(text)?.verb;
    if (verb === 'begin') {
      if (lease.isWorking || lease.transactionStatus !== 'idle') return undefined;
      lease.begin(() => [text]);
      return newResult(/^\s*start/i.test(text) ? 'START' : 'BEGIN');
    }
    if (lease.hasBegun || (verb !== 'commit' && verb !== 'rollback')) return undefined;
    const isFailed = lease.transactionStatus === 'failed';
    lease.forgetBegin();
    return newResult(verb === 'commit' && !isFailed ? 'COMMIT' : 'ROLLBACK');
  }

  private async checkOut(holding: Holding | undefined): Promise<OwnSeat> {
    if (this.own !== undefined) return this.own;
    const { borrow, desk } = this.parts;
    const lease = await borrow(holding);
    if (this.hasLeft) {
      lease.release();
      throw new UsageError(LEFT);
    }
    this.own = new OwnSeat(lease, desk);
    for (const hearing of this.hearings) {
      hearing.stop = this.own.listen(hearing.event, hearing.listener);
    }
    return this.own;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const go = (): void => void this.start(work).then(resolve, reject);
      this.waiting.push({ go, refuse: reject });
    });
  }

  private async start<T>(work: () => Promise<T>): Promise<T> {
    this.isBusy = true;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      this.isBusy = next !== undefined;
      if (next === undefined) this.giveBack();
      else next.go();
    }
  }

  /** Between transactions the connection is for others, unless something of this client stays in its session. */
  private giveBack(): void {
    const { own } = this;
    if (own === undefined || this.isKept || this.hasLeft) return;
    const { lease } = own;
    // Its session is over, and another one would hide that.
    if (lease.isReleased || !lease.isUsable) this.keep();
    else if (!lease.isWorking && lease.transactionStatus === 'idle') {
      for (const hearing of this.hearings) {
        hearing.stop?.();
        hearing.stop = undefined;
      }
      this.own = undefined;
      if (this.wrote === 'here') this.wrote = 'elsewhere';
      own.leave(false);
    }
  }
}
