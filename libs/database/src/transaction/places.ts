// Where transactions and sessions run: a connection of the pool, or that of the session around them.
import type { Clock } from '../kernel/clock.js';
import type { BorrowSampler } from '../pool/borrow-sampler.js';
import type { Lease } from '../pool/lease.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { TripRequest } from '../query/trip.js';
import type { Ambient } from './ambient.js';
import { Scope } from './scope.js';
import type { TransactionOptions } from './transaction.options.js';

/** What places are made of. */
export interface PlacesParts {
  readonly desk: TripDesk;
  readonly ambient: Ambient;
  readonly clock: Clock;
  readonly sampler: BorrowSampler;
}

/** Where one transaction runs. */
export interface Place {
  readonly scope: Scope;
  /** Gives the connection back to the pool, or to the session. */
  readonly leave: () => void;
}

/** A read-only transaction may run on a replica when it says how old its data may be. */
export function whereTo(options: TransactionOptions): Partial<TripRequest> {
  const { readOnly, after, signal, priority } = options;
  const consistency = options.consistency ?? (after === undefined ? 'primary' : 'session');
  const mayBeOld = readOnly === true && consistency !== 'primary';
  return { intent: mayBeOld ? 'read' : 'write', consistency, after, signal, priority };
}

/** Borrows connections and opens scopes on them. */
export class Places {
  constructor(private readonly parts: PlacesParts) {}

  /** A connection for a transaction: that of the session it is called in, else one of the pool. */
  take(request: Partial<TripRequest>, timeoutMs: number): Promise<Place> {
    const { ambient, clock } = this.parts;
    const session = ambient.scope;
    if (session !== undefined) return this.within(session, clock.monotonicMs() + timeoutMs);
    return this.borrow(request, true).then((lease) => {
      const scope = this.newScope('transaction', lease, clock.monotonicMs() + timeoutMs);
      const leave = (): void => {
        if (!lease.isReleased) lease.release();
      };
      return { scope, leave };
    });
  }

  /** A scope that nothing encloses. */
  newScope(kind: 'session' | 'transaction', lease: Lease, deadlineAtMs: number): Scope {
    return new Scope({ kind, lease, clock: this.parts.clock, parent: undefined, deadlineAtMs });
  }

  /** Runs `work` on a lease and gives it back. */
  async withLease<T>(
    request: Partial<TripRequest>,
    work: (lease: Lease) => Promise<T>,
    release: { readonly reset?: boolean },
  ): Promise<T> {
    const lease = await this.borrow(request);
    try {
      return await work(lease);
    } finally {
      if (!lease.isReleased) lease.release(release);
    }
  }

  private async within(session: Scope, deadlineAtMs: number): Promise<Place> {
    const scope = await session.openInner({ kind: 'transaction', deadlineAtMs });
    return { scope, leave: () => session.closeInner() };
  }

  private borrow(request: Partial<TripRequest>, beginsTransaction = false): Promise<Lease> {
    const { ambient, desk, sampler } = this.parts;
    const { intent, consistency, maxLagMs, after, timeoutMs, signal, priority } = request;
    return desk.sendForLease<Lease>({
      intent: intent ?? 'write',
      consistency,
      maxLagMs,
      after,
      timeoutMs,
      signal,
      priority,
      beginsTransaction,
      borrowedAt: sampler.sample(),
      holding: ambient.holding,
    });
  }
}
