// Where the statements of a client run inside db.transaction() or db.session(): on the connection of that scope.
import { UsageError } from '../kernel/errors.js';
import type { Lease } from '../pool/lease.js';
import type { Statement } from '../query/query.js';
import { requestOn } from '../query/trip-desk.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Caller, TripRequest } from '../query/trip.js';
import type { Ambient } from '../transaction/ambient.js';
import type { Savepoint } from '../transaction/savepoint.js';
import type { Scope } from '../transaction/scope.js';
import type { TransactionRunner } from '../transaction/transaction-runner.js';
import { ISOLATION_LEVELS } from '../transaction/transaction.options.js';
import { tell } from './pg-call.js';
import type { PgResult } from './pg-pool.types.js';
import { Hearing, sendCommit } from './pg-seat.js';
import type { PgSeat, PgWork, SessionEvent } from './pg-seat.js';
import { readCommand } from './transaction-command.js';
import type { TransactionCommand, TransactionModes } from './transaction-command.js';

/** What a joined seat works with. */
export interface JoinedParts {
  readonly desk: TripDesk;
  readonly ambient: Ambient;
  readonly runner: TransactionRunner;
}

function done(command: string): PgResult {
  return { command, rowCount: null, oid: null, rows: [], fields: [] };
}

/** Shares the connection of a scope. Transactions that the client begins and ends become savepoints. */
export class JoinedSeat implements PgSeat {
  readonly isOwn = false;
  private savepoint: Savepoint | undefined;
  private hasLeft = false;
  private readonly hearing = new Hearing();
  /** The last command that is under way; what comes after it waits, as on a connection. */
  private turn: Promise<unknown> | undefined;

  constructor(
    private readonly scope: Scope,
    private readonly parts: JoinedParts,
  ) {}

  get lease(): Lease {
    return this.scope.lease;
  }

  get node(): string {
    return this.scope.node;
  }

  /** The scope of the code that asks, when it lies inside ours: ours would make it wait. */
  private pinned(): Scope {
    const base = this.savepoint?.scope ?? this.scope;
    const { scope } = this.parts.ambient;
    return scope !== undefined && base.encloses(scope) ? scope : base;
  }

  run(statement: Statement, timeoutMs: number | undefined, caller: Caller<PgResult>): void {
    const { desk } = this.parts;
    const request = (): TripRequest => requestOn(this.pinned(), statement, { timeoutMs });
    const command = readCommand(statement.text);
    // A session alone is not in a transaction: one that is begun there is real.
    const isReal = this.pinned().kind === 'session';
    if (isReal && command?.verb === 'commit') {
      sendCommit(desk, this.lease, this.pinned(), statement, caller);
    } else if (command !== undefined && !isReal) {
      tell(
        caller,
        this.inTurn(() => this.obey(command, () => desk.send(request()))),
      );
    } else if (this.turn === undefined) desk.open(request(), caller);
    else
      tell(
        caller,
        this.turn.then(() => desk.send(request())),
      );
  }

  async work(request: PgWork): Promise<void> {
    if (this.turn !== undefined) await this.turn;
    await this.parts.desk.sendWork({ ...request, pinned: this.pinned() });
  }

  /** The connection is that of the scope. */
  keep(): void {}

  listen(event: SessionEvent, listener: (message: never) => void): void {
    this.hearing.listen(this.lease, event, listener);
  }

  leave(): void {
    this.hearing.stop();
    this.hasLeft = true;
    const { savepoint } = this;
    if (savepoint === undefined) return;
    this.savepoint = undefined;
    const cause = new UsageError('A client was released before it had ended its transaction.');
    // When the connection is gone, so is the savepoint.
    savepoint.rollBack(cause).catch(() => undefined);
  }

  private inTurn(work: () => Promise<PgResult>): Promise<PgResult> {
    const result = (this.turn ?? Promise.resolve()).then(work);
    const turn: Promise<unknown> = result
      .catch(() => undefined)
      .then(() => {
        if (this.turn === turn) this.turn = undefined;
      });
    this.turn = turn;
    return result;
  }

  private async obey(
    command: TransactionCommand,
    send: () => Promise<PgResult>,
  ): Promise<PgResult> {
    switch (command.verb) {
      case 'begin':
        return this.begin(command);
      case 'set':
        await this.requireModes(command);
        return command.access === undefined ? done('SET') : send();
      case 'commit':
      case 'rollback':
        return this.end(command);
      case 'prepare':
        throw new UsageError('PREPARE TRANSACTION would end the transaction of db.transaction().');
    }
  }

  /** PostgreSQL answers a second BEGIN with a warning; so nothing happens here either. */
  private async begin(modes: TransactionModes): Promise<PgResult> {
    if (this.savepoint !== undefined) return done('BEGIN');
    await this.requireModes(modes);
    const { ambient, desk, runner } = this.parts;
    const savepoint = await runner.openSavepoint(this.pinned());
    try {
      if (this.hasLeft) throw new UsageError('The client was released before BEGIN was answered.');
      if (modes.access !== undefined) {
        await desk.sendOn(savepoint.scope, { text: `SET TRANSACTION ${modes.access}` });
      }
    } catch (error) {
      await savepoint.rollBack(error);
      throw error;
    }
    this.savepoint = savepoint;
    ambient.move(savepoint.scope);
    return done('BEGIN');
  }

  private async end({ verb, chains }: TransactionCommand): Promise<PgResult> {
    const { savepoint } = this;
    if (savepoint === undefined || chains) {
      throw new UsageError(
        chains
          ? 'AND CHAIN is not possible inside db.transaction(). Begin the next transaction by BEGIN.'
          : `${verb.toUpperCase()} would end the transaction of db.transaction(), which this client did not begin. ` +
              'Return from its callback to commit, throw to roll back.',
      );
    }
    this.savepoint = undefined;
    this.parts.ambient.move(this.scope);
    // As PostgreSQL does with a transaction that has failed: COMMIT rolls it back and says so.
    const keeps = verb === 'commit' && this.lease.transactionStatus !== 'failed';
    try {
      if (keeps) await savepoint.release();
      else await savepoint.rollBack();
    } catch (error) {
      if (keeps) await savepoint.rollBack(error);
      throw error;
    }
    return done(keeps ? 'COMMIT' : 'ROLLBACK');
  }

  /** @throws UsageError for modes that a transaction under way can no longer take. */
  private async requireModes({ isolation, isDeferrable }: TransactionModes): Promise<void> {
    if (isDeferrable === true) {
      throw new UsageError('DEFERRABLE must be asked of db.transaction({ deferrable: true }).');
    }
    if (isolation === undefined) return;
    const result = await this.parts.desk.sendOn(this.pinned(), {
      text: 'SHOW transaction_isolation',
    });
    const actual = result.rows[0]?.['transaction_isolation'] as (typeof ISOLATION_LEVELS)[number];
    if (ISOLATION_LEVELS.indexOf(actual) >= ISOLATION_LEVELS.indexOf(isolation)) return;
    throw new UsageError(
      `The transaction under way is "${actual}", and "${isolation}" was asked for inside it. ` +
        `Begin it by db.transaction(..., { isolation: '${isolation}' }).`,
    );
  }
}
