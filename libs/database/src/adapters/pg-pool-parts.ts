// What the facade of a pool is built of.
import type { Clock } from '../kernel/clock.js';
import type { BorrowSampler } from '../pool/borrow-sampler.js';
import type { PoolStats } from '../pool/pool-stats.js';
import type { PoolOptions } from '../pool/pool.options.js';
import type { Classifier } from '../query/classify.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Ambient } from '../transaction/ambient.js';
import type { ForeignGuard } from '../transaction/foreign-guard.js';
import type { TransactionRunner } from '../transaction/transaction-runner.js';
import type { PgPoolRole } from './pg-pool.types.js';

/** What a facade works with. */
export interface PgPoolParts {
  readonly role: PgPoolRole;
  readonly desk: TripDesk;
  readonly ambient: Ambient;
  readonly guard: ForeignGuard;
  readonly runner: TransactionRunner;
  readonly clock: Clock;
  readonly sampler: BorrowSampler;
  readonly classifier: Classifier;
  readonly options: PoolOptions;
  /** Figures of the pools behind the facade. */
  readonly stats: () => readonly PoolStats[];
  readonly state: () => 'open' | 'ending' | 'ended';
  /** Why nobody is let in now; undefined when everybody is. */
  readonly refusal?: (() => Error | undefined) | undefined;
  /** Limit of a statement that sets none, in ms; undefined leaves it to the pool. */
  readonly timeoutMs?: (() => number | undefined) | undefined;
}
