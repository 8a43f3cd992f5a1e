// Finds code inside a transaction that uses a connection which does not belong to it.
import { UsageError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Ambient } from './ambient.js';
import type { TransactionDefaults } from './transaction.options.js';

const FOREIGN =
  'Inside a transaction a statement was sent on another connection of the same instance: it is no part of the ' +
  'transaction, is not rolled back with it and may wait for its locks. Use the handle of this transaction, ' +
  'DatabaseService, a repository or a client taken inside; or set transaction.foreignConnections.';

/** Compares where a statement goes with where the code that sends it stands. */
export class ForeignGuard {
  constructor(
    private readonly ambient: Ambient,
    private readonly events: Events,
    private readonly policy: TransactionDefaults['foreignConnections'],
  ) {}

  /** Tells of a statement that goes elsewhere: `place` is its lease, if it has one. Gives the error when the policy is to refuse it. */
  refusal(place: { readonly node: string }, text: string): UsageError | undefined {
    const { scope } = this.ambient;
    if (scope === undefined || scope.kind === 'session' || scope.lease === place) return undefined;
    if (this.policy === 'allow') return undefined;
    this.events.emit('transaction:foreign-connection', { node: place.node, text });
    return this.policy === 'refuse' ? new UsageError(FOREIGN) : undefined;
  }
}
