// A database as rooms see it, whose facts a test sets by hand.
import type {
  CircuitSnapshot,
  DatabaseView,
  NodeSnapshot,
  PoolStats,
} from '../ops/database-view.js';

/** A healthy primary; `change` makes it something else. */
export function nodeSnapshot(change: Partial<NodeSnapshot> = {}): NodeSnapshot {
  return {
    name: 'primary',
    address: 'db.internal:5432/app',
    role: 'primary',
    isReachable: true,
    lagMs: 0,
    lagBytes: 0,
    latencyMs: 1,
    ageMs: 100,
    serverVersion: 180_000,
    pooling: 'none',
    lastError: undefined,
    ...change,
  };
}

/** A pool with room; `change` makes it something else. */
export function poolStats(change: Partial<PoolStats> = {}): PoolStats {
  const { leased = 2, max = 20 } = change;
  return {
    node: 'primary',
    total: 5,
    idle: 3,
    leased,
    connecting: 0,
    waiting: 0,
    max,
    min: 2,
    utilizationRatio: leased / max,
    acquiredCount: 10,
    opened: 5,
    closed: 0,
    connectFailures: 0,
    acquireTimeouts: 0,
    refused: 0,
    shed: 0,
    deadlocks: 0,
    isSuspended: false,
    leaks: 0,
    lane: {
      max: 4,
      connections: 0,
      inFlight: 0,
      waiting: 0,
      sent: 0,
      stalls: 0,
      rescued: 0,
      repeated: 0,
      batched: 0,
    },
    lastConnectError: undefined,
    ...change,
  };
}

/** A closed circuit; `change` makes it something else. */
export function circuitSnapshot(change: Partial<CircuitSnapshot> = {}): CircuitSnapshot {
  return {
    node: 'primary',
    state: 'closed',
    calls: 10,
    failures: 0,
    retryAfterMs: 0,
    lastError: undefined,
    ...change,
  };
}

/** Facts that a test may replace at any time. */
export class FakeDatabaseView implements DatabaseView {
  nodeFacts: NodeSnapshot[] = [nodeSnapshot()];
  poolFacts: PoolStats[] = [poolStats()];
  circuitFacts: CircuitSnapshot[] = [circuitSnapshot()];
  closing = false;

  nodes(): NodeSnapshot[] {
    return this.nodeFacts;
  }

  pools(): PoolStats[] {
    return this.poolFacts;
  }

  circuits(): CircuitSnapshot[] {
    return this.circuitFacts;
  }

  isClosing(): boolean {
    return this.closing;
  }
}
