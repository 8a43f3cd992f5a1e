// Transactions whose COMMIT is never left open: proven before, resolved after a lost answer.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError, InDoubtError, UsageError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Lease } from '../pool/lease.js';
import type { TripDesk } from '../query/trip-desk.js';
import { proofStatement, readProof } from './commit-proof.js';
import type { CommitProof } from './commit-proof.js';
import { CommitTable } from './commit-table.js';
import { DoubtResolver } from './doubt-resolver.js';
import type { Scope } from './scope.js';
import type { TransactionDefaults, TransactionOptions } from './transaction.options.js';

/** What it works with. */
export interface ExactlyOnceParts {
  readonly desk: TripDesk;
  readonly clock: Clock;
  readonly events: Events;
  readonly defaults: TransactionDefaults;
}

/** The error after which the whole may run again. */
function rolledBack(because: string, { cause }: InDoubtError): ConnectionError {
  const message = `COMMIT was not answered, and nothing was committed: ${because}.`;
  return new ConnectionError(message, { cause, transient: true });
}

const NOT_EXACTLY_ONCE =
  'exactlyOnce was asked for inside a transaction that is not: its COMMIT is the outer one. Ask for it there, or use ' +
  "propagation 'requires-new'.";

/** @throws UsageError when an inner call asks for more than the COMMIT around it can give. */
export function requireSamePromise(outer: Scope, { exactlyOnce }: TransactionOptions): void {
  if (exactlyOnce === true && !outer.isExactlyOnce) throw new UsageError(NOT_EXACTLY_ONCE);
}

/** The three steps around a COMMIT that must have one outcome. */
export class ExactlyOnce {
  private readonly table: CommitTable | undefined;
  private readonly resolver: DoubtResolver;

  constructor(private readonly parts: ExactlyOnceParts) {
    const { commitTable, resolveTimeoutMs } = parts.defaults;
    this.table =
      commitTable === false ? undefined : new CommitTable({ ...parts, name: commitTable });
    const table = this.table?.quoted;
    this.resolver = new DoubtResolver({ ...parts, resolveTimeoutMs, table });
  }

  /** Before BEGIN. */
  async prepare(): Promise<void> {
    await this.table?.ensure();
  }

  /** Before COMMIT: undefined when nothing was written, so that nothing can be in doubt. */
  async prove(lease: Lease): Promise<CommitProof | undefined> {
    // COMMIT will tell the first error of a transaction that has failed.
    if (lease.transactionStatus === 'failed') return undefined;
    const token = this.table?.newToken();
    const result = await this.parts.desk.sendOn(lease, proofStatement(this.table?.quoted, token));
    this.table?.sweepNowAndThen();
    return readProof(result, token);
  }

  /**
   * After a COMMIT that was not answered: returns when it is known to be committed.
   * @throws ConnectionError when nothing was committed, so that it may run again; InDoubtError, with what is
   * known of the transaction, when nobody can tell.
   */
  async settle(proof: CommitProof | undefined, doubt: InDoubtError, node: string): Promise<void> {
    if (proof === undefined) throw rolledBack('it had written nothing', doubt);
    const { outcome, because, tookMs } = await this.resolver.resolve(proof);
    if (outcome === 'unknown') {
      const { systemId, timeline } = proof.place;
      throw new InDoubtError(
        `COMMIT was not answered and its outcome could not be learnt (${because}): transaction ${proof.xid} of ` +
          `backend ${proof.backendPid} may be committed or not. Look for its effect before you run it again` +
          `${this.table === undefined ? '; transaction.commitTable would decide' : ''}.`,
        { cause: doubt.cause, xid: proof.xid, backendPid: proof.backendPid, systemId, timeline },
      );
    }
    this.parts.events.emit('transaction:resolved', { node, outcome, tookMs });
    if (outcome === 'committed') return;
    throw rolledBack('the server has rolled it back', doubt);
  }
}
