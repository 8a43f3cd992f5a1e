// The end of a read-only transaction: its COMMIT commits nothing, so that nobody has to wait for it.
import type { Lease } from '../pool/lease.js';
import type { TripDesk } from '../query/trip-desk.js';
import { sendCommit } from './boundaries.js';
import type { Beginning } from './boundaries.js';
import type { Scope } from './scope.js';

/** Ends read-only transactions of one instance. */
export class ReadOnlyEnd {
  /** Isolation that the servers take when none is asked for; undefined until one was asked. */
  private usual: unknown;

  constructor(private readonly desk: TripDesk) {}

  /**
   * True when it is sent already: the connection goes back with its answer, which may come after the caller has his.
   * False when COMMIT may still fail the transaction, as that of a serializable one, or does not stand alone.
   */
  async sent(scope: Scope, beginning: Beginning): Promise<boolean> {
    const { lease, parent } = scope;
    // Inside a session its connection goes on; behind a statement that nobody awaited COMMIT has to wait.
    if (parent !== undefined || lease.isWorking || lease.transactionStatus !== 'open') return false;
    if (await this.mayFail(lease, beginning)) return false;
    sendCommit(this.desk, scope, true).catch((error: unknown) =>
      lease.drop(`its COMMIT failed: ${String(error)}`),
    );
    return true;
  }

  /** A deferrable one is safe from its first statement on. */
  private async mayFail(lease: Lease, { isolation, deferrable }: Beginning): Promise<boolean> {
    if (deferrable === true) return false;
    const actual = isolation ?? (this.usual ??= await this.ask(lease));
    return actual === undefined || actual === 'serializable';
  }

  private async ask(lease: Lease): Promise<unknown> {
    const name = 'default_transaction_isolation';
    try {
      const { rows } = await this.desk.sendOn(lease, { text: `SHOW ${name}` }, { intent: 'read' });
      return rows[0]?.[name];
    } catch {
      // The connection is lost, say: COMMIT will tell.
      return undefined;
    }
  }
}
