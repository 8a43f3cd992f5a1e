// The pools, for those who look at them.
import type { DatabaseCore } from './database.core.js';
import type { PoolStats } from './pool/pool-stats.js';
import type { NodeSnapshot } from './routing/node.js';

/** Figures of all pools and nodes of an instance. */
export class DatabasePoolService {
  constructor(private readonly core: DatabaseCore) {}

  /** One entry a node. Cheap; touches no server. */
  stats(): PoolStats[] {
    return this.core.pools();
  }

  /** What is known of each server: role, lag, reachability, and how old that knowledge is. */
  nodes(): NodeSnapshot[] {
    return this.core.nodes();
  }
}
