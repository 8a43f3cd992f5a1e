// Clients of the ledger: they transfer, read back what was acknowledged, add up, and change their minds.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseService } from '../libs/database/src/database.service.js';
import { DatabaseError } from '../libs/database/src/kernel/errors.js';
import type { QueryOptions } from '../libs/database/src/query/query.js';
import type { Transaction } from '../libs/database/src/transaction/transaction.js';
import { nowMs } from './journal.js';
import type { CallEntry, Journal, TransferKind } from './journal.js';
import { COUNT_TRANSFER, drawTransfer, SUM_BALANCES, transfer, transferAtOnce } from './ledger.js';
import type { Transfer } from './ledger.js';
import type { Random } from './random.js';
import { boundMsOf, limitMsOf, NAP_MS, QUERY_TIMEOUT_MS } from './settings.js';

/** What the workers work with. */
export interface WorkerParts {
  readonly writer: DatabaseService;
  /** A writer whose `exactlyOnce` has no table to ask. */
  readonly unproven: DatabaseService;
  /** Another instance, which knows of the writer's work only what it is told. */
  readonly reader: DatabaseService;
  readonly journal: Journal;
  readonly random: Random;
}

/** How many of each kind work at a time. */
const CREW: Readonly<Record<TransferKind, number>> = {
  statement: 2,
  plain: 2,
  retried: 2,
  cancelled: 1,
  'exactly-once': 3,
  'exactly-once-by-id': 2,
};
const SUMMERS = 2;
const NAPPERS = 2;
/** Longest time until a caller changes its mind, in ms: a transfer takes about as long. */
const ABORT_WITHIN_MS = 12;

type Call = Pick<CallEntry, 'kind' | 'of' | 'by'> & {
  readonly id?: string;
  readonly signal?: AbortSignal;
};

/** All workers of a load. */
export class Workers {
  private isStopping = false;
  private calls = 0;
  private readonly underWay = new Set<string>();
  private readonly loops: Promise<void>[] = [];

  constructor(private readonly parts: WorkerParts) {}

  /** Begins to work. */
  start(): void {
    for (const [kind, count] of Object.entries(CREW) as Array<[TransferKind, number]>) {
      for (let i = 0; i < count; i++) this.loop((random) => this.transfer(kind, random));
    }
    for (let i = 0; i < SUMMERS; i++) this.loop(() => this.addUp());
    for (let i = 0; i < NAPPERS; i++) this.loop((random) => this.nap(random));
  }

  /** Begins no further call, and waits for those under way; resolves to the ids of those that do not end. */
  async stop(timeoutMs: number): Promise<string[]> {
    this.isStopping = true;
    await Promise.race([Promise.all(this.loops), sleep(timeoutMs, undefined, { ref: false })]);
    return [...this.underWay];
  }

  private loop(turn: (random: Random) => Promise<boolean>): void {
    const random = this.parts.random.fork();
    const run = async (): Promise<void> => {
      while (!this.isStopping) {
        const isFine = await turn(random);
        // Open circuits refuse at once: without a pause the loop would do nothing else.
        await sleep(isFine ? random.whole(1, 10) : random.whole(5, 40));
      }
    };
    this.loops.push(run());
  }

  private async transfer(kind: TransferKind, random: Random): Promise<boolean> {
    const made = drawTransfer(this.nextId('t'), kind, random);
    const abort = new AbortController();
    const timer =
      kind === 'cancelled'
        ? setTimeout(() => abort.abort(), random.whole(0, ABORT_WITHIN_MS))
        : undefined;
    const { id } = made;
    let token = '';
    const isMade = await this.attempt({ kind, id, signal: abort.signal }, async () => {
      const { writer, unproven } = this.parts;
      const db = kind === 'exactly-once-by-id' ? unproven : writer;
      // A context of its own, as a request has: the token tells of this transfer, and not of those beside it.
      await db.withConsistency(undefined, async () => {
        await this.make(db, made, abort.signal);
        token = db.consistencyToken();
      });
      return undefined;
    });
    clearTimeout(timer);
    if (!isMade) return kind === 'cancelled';
    const freshness: QueryOptions =
      random.whole(0, 3) === 0 ? { consistency: 'primary' } : { after: token };
    const by = freshness.after ?? 'primary';
    await this.attempt({ kind: 'own-read', of: id, by }, () => this.readBack(id, freshness));
    return true;
  }

  private async make(db: DatabaseService, made: Transfer, signal: AbortSignal): Promise<void> {
    const work = (tx: Transaction): Promise<void> => transfer(tx, made);
    switch (made.kind) {
      case 'statement': {
        const options = { timeoutMs: QUERY_TIMEOUT_MS };
        return transferAtOnce({ query: (text, values) => db.query(text, values, options) }, made);
      }
      case 'plain':
        return db.transaction(work, { retries: 0 });
      case 'cancelled':
        return db.transaction(work, { retries: 0, signal });
      case 'retried':
        return db.transaction(work);
      case 'exactly-once':
      case 'exactly-once-by-id':
        return db.transaction(work, { exactlyOnce: true });
    }
  }

  /** Looks for an acknowledged transfer on another instance, to which a token comes as text, as in a cookie. */
  private async readBack(id: string, freshness: QueryOptions): Promise<number> {
    const sent = JSON.parse(JSON.stringify(freshness)) as QueryOptions;
    const options = { ...sent, timeoutMs: QUERY_TIMEOUT_MS };
    const { found } = await this.parts.reader.one<{ found: number }>(COUNT_TRANSFER, [id], options);
    return found;
  }

  private addUp(): Promise<boolean> {
    return this.attempt({ kind: 'sum-read' }, async () => {
      const options = { timeoutMs: QUERY_TIMEOUT_MS };
      return (await this.parts.reader.one<{ found: number }>(SUM_BALANCES, [], options)).found;
    });
  }

  /** Sleeps on a connection that others use before and after: a cancel that comes late hits one of them. */
  private async nap(random: Random): Promise<boolean> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), random.whole(0, NAP_MS));
    const options = { signal: abort.signal, timeoutMs: QUERY_TIMEOUT_MS };
    await this.attempt({ kind: 'nap', signal: abort.signal }, async () => {
      await this.parts.writer.query(
        'select pg_sleep($1)',
        [random.whole(0, NAP_MS) / 1_000],
        options,
      );
      return undefined;
    });
    clearTimeout(timer);
    return true;
  }

  /** Makes a call and journals both its ends. */
  private async attempt(call: Call, run: () => Promise<number | undefined>): Promise<boolean> {
    const { kind, of, by, signal, id = this.nextId('r') } = call;
    const { journal } = this.parts;
    const [boundMs, limitMs] = [boundMsOf(kind), limitMsOf(kind)];
    journal.write({
      type: 'call',
      id,
      kind,
      atMs: nowMs(),
      boundMs,
      limitMs,
      ...(of && { of }),
      ...(by && { by }),
    });
    this.underWay.add(id);
    try {
      const found = await run();
      journal.write({ type: 'ok', id, atMs: nowMs(), ...(found !== undefined && { found }) });
      return true;
    } catch (error) {
      journal.write({
        ...factsOf(error),
        type: 'fail',
        id,
        atMs: nowMs(),
        aborted: signal?.aborted === true,
      });
      return false;
    } finally {
      this.underWay.delete(id);
    }
  }

  private nextId(prefix: string): string {
    return `${prefix}${++this.calls}`;
  }
}

function factsOf(error: unknown) {
  const ours = error instanceof DatabaseError ? error : undefined;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return {
    name,
    code: ours?.code,
    sqlState: ours?.sqlState,
    safeToRetry: ours?.safeToRetry === true,
    message: message.slice(0, 300),
  };
}
