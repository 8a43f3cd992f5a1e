// One server with all that belongs to it: its pool, its chain of stages, its circuit and its probe.
import type { Clock } from './kernel/clock.js';
import { ConnectionError } from './kernel/errors.js';
import type { Events } from './kernel/events.js';
import type { ResolvedNode } from './database.hosts.js';
import type { ResolvedOptions } from './database.options.js';
import { nodeChain } from './database.pipeline.js';
import type { Connection, Driver } from './driver/driver.js';
import { evict } from './pool/eviction.js';
import { Pool } from './pool/pool.js';
import { PoolStage } from './pool/pool.stage.js';
import { CircuitBreaker } from './resilience/circuit-breaker.js';
import { ResilienceStage } from './resilience/resilience.stage.js';
import { RetryBudget } from './resilience/retry-budget.js';
import { NodeProbe } from './routing/node-probe.js';
import { Node } from './routing/node.js';
import type { Topology } from './routing/topology.js';

/** One server with all that belongs to it. */
export interface Station {
  readonly node: Node;
  readonly pool: Pool;
  readonly breaker: CircuitBreaker;
  readonly probe: NodeProbe;
}

/** What a station is built of. */
export interface StationParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly options: ResolvedOptions;
  readonly driver: Driver;
  /** That of all nodes; there once all stations are built. */
  readonly topology: () => Topology;
}

/** Builds a station; touches no server. */
export function buildStation(
  { name, declaredRole, target }: ResolvedNode,
  { clock, events, options, driver, topology }: StationParts,
): Station {
  const poolOptions = declaredRole === 'replica' ? options.replicaPool : options.pool;
  const { connectTimeoutMs } = poolOptions;
  // Not known before the first probe: until then a name might be looked for in vain.
  const keepsBackend = (): boolean => node.pooling === 'none' || node.pooling === 'session';
  const preparedMax = poolOptions.prepare === false ? 0 : poolOptions.prepare;
  const connect = async (): Promise<Connection> => {
    const traits = { keepsBackend, preparedMax };
    const connection = await driver.connect(target, connectTimeoutMs, traits);
    if (connection.isStandby !== true || node.role !== 'primary') return connection;
    connection.destroy();
    topology().demoted(name);
    throw standbyError(name, target.label, topology().hasOthers);
  };
  const pool = new Pool({
    node: name,
    options: poolOptions,
    clock,
    events,
    connect,
    keepsBackend,
    latencyMs: () => node.latencyMs,
  });
  const { probeTimeoutMs, slowStartMs, maxEjectedRatio } = options.routing;
  const mayOpen = (): boolean => topology().mayEject(name, maxEjectedRatio);
  const breaker = new CircuitBreaker(name, options.breaker, clock, events, mayOpen);
  const resilience = new ResilienceStage({
    node: name,
    clock,
    retry: options.retry,
    budget: new RetryBudget(options.retry.budgetRatio),
    breaker,
    defaultTimeoutMs: poolOptions.acquireTimeoutMs + poolOptions.statementTimeoutMs,
  });
  const connectProbe = (): Promise<Connection> =>
    driver.connect(target, Math.min(connectTimeoutMs, probeTimeoutMs));
  const probe = new NodeProbe(connectProbe, clock, probeTimeoutMs);
  const node: Node = new Node({
    name,
    address: target.label,
    declaredRole,
    clock,
    events,
    enter: nodeChain(resilience, new PoolStage(pool, clock)),
    load: () => pool.load,
    isPassable: () => breaker.isPassable,
    isWatched: () => probe.isConnected,
    suspect: () => pool.suspect(),
    sever: () => pool.sever(),
    slowStartMs,
    evict: (which, reason) => {
      if (which === 'all') return evict(pool, { reason, cutsLeased: true });
      const unwanted = ({ isStandby }: Connection): boolean => isStandby !== false;
      return evict(pool, { reason, cutsLeased: false, unwanted });
    },
  });
  return { node, pool, breaker, probe };
}

/** Where there are other servers one of them may be primary: then this one is not asked again. */
function standbyError(name: string, label: string, hasOthers: boolean): ConnectionError {
  const message =
    `"${name}" (${label}) was taken for the primary, and its server is a standby. ` +
    'Look which server is primary, and where that name leads to.';
  return new ConnectionError(message, {
    sqlState: '25006',
    safeToRetry: true,
    transient: !hasOthers,
  });
}
