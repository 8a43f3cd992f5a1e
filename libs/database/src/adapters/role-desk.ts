// The trip desk of a facade: what it asks for goes to the servers of its role.
import type { BorrowPlace } from '../pool/borrow-sampler.js';
import type { Lease } from '../pool/lease.js';
import type { Classifier } from '../query/classify.js';
import type { Statement } from '../query/query.js';
import { leaseRequest } from '../query/trip-desk.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Caller, TripRequest } from '../query/trip.js';
import type { PgPoolRole, PgResult } from './pg-pool.types.js';

/** What a desk works with. */
export interface RoleDeskParts {
  readonly role: PgPoolRole;
  readonly desk: TripDesk;
  readonly classifier: Classifier;
}

/** How a statement is sent. */
export type SendRequest = Pick<TripRequest, 'timeoutMs' | 'pinned' | 'holding'>;

/** How a connection is asked for. */
export type BorrowRequest = Pick<TripRequest, 'holding' | 'beginsTransaction'>;

/** Asks the primary for whatever it may be; asks a replica for reads that may be behind, and may be repeated. */
export class RoleDesk {
  private readonly isReplica: boolean;
  private readonly intent: TripRequest['intent'];
  private readonly consistency: TripRequest['consistency'];

  constructor(private readonly parts: RoleDeskParts) {
    this.isReplica = parts.role === 'replica';
    this.intent = this.isReplica ? 'read' : 'write';
    this.consistency = this.isReplica ? 'eventual' : undefined;
  }

  /** Runs a statement: on the connection that it is pinned to, or on any. */
  send(statement: Statement, how: SendRequest, caller: Caller<PgResult>): void {
    const { classifier, desk } = this.parts;
    const shape = classifier.shapeOf(statement.text);
    const request: TripRequest = {
      statement,
      intent: this.intent,
      wants: 'result',
      repeatable: this.isReplica && shape !== undefined,
      shape: how.pinned === undefined ? shape : undefined,
      consistency: this.consistency,
      maxLagMs: undefined,
      timeoutMs: how.timeoutMs,
      signal: undefined,
      pinned: how.pinned,
      holding: how.holding,
    };
    desk.open(request, caller);
  }

  /** Takes a connection out of the pool. */
  borrow(
    { holding, beginsTransaction }: BorrowRequest,
    borrowedAt: BorrowPlace | undefined,
    caller: Caller<Lease>,
  ): void {
    const { consistency, intent } = this;
    const how = { holding, beginsTransaction, borrowedAt, consistency, intent };
    this.parts.desk.open(leaseRequest(how), caller);
  }
}
