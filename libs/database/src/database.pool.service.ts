// The pools, for those who look at them, and for other libraries.
import type { PgPool } from './adapters/pg-pool.js';
import type { PgPoolRole } from './adapters/pg-pool.types.js';
import { newPgPool } from './database.adapters.js';
import type { DatabaseCore } from './database.core.js';
import type { PoolStats } from './pool/pool-stats.js';
import type { NodeSnapshot } from './routing/node.js';

/** Figures of all pools and nodes of an instance. */
export class DatabasePoolService {
  private readonly pgPools = new Map<PgPoolRole, PgPool>();

  constructor(private readonly core: DatabaseCore) {}

  /** One entry a node. Cheap; touches no server. */
  stats(): PoolStats[] {
    return this.core.pools();
  }

  /** What is known of each server: role, lag, reachability, and how old that knowledge is. */
  nodes(): NodeSnapshot[] {
    return this.core.nodes();
  }

  /**
   * The pool as a `pg.Pool`, for Kysely, Drizzle and other code that takes one: always the same object. Inside
   * `transaction()` and `session()` it uses their connection. `replica` asks a server that may answer reads, and the
   * primary when there is none: for statements that only read.
   */
  pgPool(role: PgPoolRole = 'primary'): PgPool {
    const known = this.pgPools.get(role);
    if (known !== undefined) return known;
    const fresh = newPgPool(this.core, role);
    this.pgPools.set(role, fresh);
    return fresh;
  }
}
