// What operations rooms see of the database: snapshots, no servers.
import type { PoolStats } from '../pool/pool-stats.js';
import type { CircuitSnapshot } from '../resilience/circuit-breaker.js';
import type { NodeSnapshot } from '../routing/node.js';

export type { CircuitSnapshot, NodeSnapshot, PoolStats };

/** The database as its rooms see it. Every call is local and cheap. */
export interface DatabaseView {
  nodes(): NodeSnapshot[];
  pools(): PoolStats[];
  circuits(): CircuitSnapshot[];
  /** True from the first sign of shutdown. */
  isClosing(): boolean;
}
