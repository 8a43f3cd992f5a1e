// All options of the module: partial at the door, whole and frozen inside.
import { resolveTypeorm } from './adapters/typeorm/typeorm.options.js';
import type { TypeormOptions } from './adapters/typeorm/typeorm.options.js';
import { Checks } from './kernel/option-checks.js';
import { resolveNodes } from './database.hosts.js';
import type { HostsOptions, ResolvedNode } from './database.hosts.js';
import { resolveListen } from './database.listen.js';
import type { ResolvedListen } from './database.listen.js';
import { DEFAULT_INSTANCE } from './database.instance.js';
import { resolveEndpoints } from './ops/endpoints/endpoints.options.js';
import type { EndpointsOptions } from './ops/endpoints/endpoints.options.js';
import { resolveHealth } from './ops/health/health.options.js';
import type { HealthOptions } from './ops/health/health.options.js';
import { resolveMonitor } from './ops/monitor/monitor.options.js';
import type { MonitorOptions } from './ops/monitor/monitor.options.js';
import type { ListenerOptions } from './notifications/listen.options.js';
import { checkPool, POOL_DEFAULTS, poolSlice } from './pool/pool.options.js';
import type { PoolOptions } from './pool/pool.options.js';
import {
  BREAKER_DEFAULTS,
  checkBreaker,
  checkRetry,
  RETRY_DEFAULTS,
} from './resilience/resilience.options.js';
import type { BreakerOptions, RetryOptions } from './resilience/resilience.options.js';
import { checkRouting, ROUTING_DEFAULTS } from './routing/routing.options.js';
import type { RoutingOptions } from './routing/routing.options.js';
import { checkStartup, STARTUP_DEFAULTS } from './database.startup.js';
import type { StartupOptions } from './database.startup.js';
import { resolveTelemetry } from './telemetry/telemetry.options.js';
import type { TelemetryOptions } from './telemetry/telemetry.options.js';
import { checkTransaction, TRANSACTION_DEFAULTS } from './transaction/transaction.options.js';
import type { TransactionDefaults } from './transaction/transaction.options.js';

/** What `DatabaseModule.forRoot()` takes. Every slice may be left out or given in part. */
export interface DatabaseModuleOptions extends HostsOptions {
  /** Name of the instance; give it beside `forRootAsync`'s factory, not inside. @default 'default' */
  readonly name?: string | undefined;
  /** Whether all modules see the services without importing. @default true */
  readonly isGlobal?: boolean | undefined;
  readonly pool?: Partial<PoolOptions> | undefined;
  /** The pools of replicas. @default pool */
  readonly replicaPool?: Partial<PoolOptions> | undefined;
  readonly startup?: Partial<StartupOptions> | undefined;
  readonly retry?: Partial<RetryOptions> | undefined;
  readonly breaker?: Partial<BreakerOptions> | undefined;
  readonly routing?: Partial<RoutingOptions> | undefined;
  readonly transaction?: Partial<TransactionDefaults> | undefined;
  /** The connection that `listen()` gets its notifications on. */
  readonly listen?: Partial<ListenerOptions> | undefined;
  /** Figures about queries and the log; `false` measures and writes nothing. */
  readonly telemetry?: Partial<TelemetryOptions> | false | undefined;
  /** Thresholds of the health checks; `false` judges nothing: readiness ends at shutdown only. */
  readonly health?: Partial<HealthOptions> | false | undefined;
  /** History of the figures; `false` keeps none. */
  readonly monitor?: Partial<MonitorOptions> | false | undefined;
  /** HTTP endpoints; beside the factory of `forRootAsync`, not inside; `false` adds none. */
  readonly endpoints?: Partial<EndpointsOptions> | false | undefined;
  /** Registers a TypeORM data source on the connections of this instance; needs typeorm and @nestjs/typeorm. */
  readonly typeorm?: Partial<TypeormOptions> | false | undefined;
}

/** The options, whole and frozen. */
export interface ResolvedOptions {
  readonly name: string;
  /** Empty when PostgreSQL has to be started first: see {@link DatabaseModuleOptions.url}. */
  readonly nodes: readonly ResolvedNode[];
  readonly pool: PoolOptions;
  readonly replicaPool: PoolOptions;
  readonly startup: StartupOptions;
  readonly retry: RetryOptions;
  readonly breaker: BreakerOptions;
  readonly routing: RoutingOptions;
  readonly transaction: TransactionDefaults;
  readonly listen: ResolvedListen;
  readonly typeorm: TypeormOptions | false;
  readonly telemetry: TelemetryOptions | false;
  readonly health: HealthOptions | false;
  readonly monitor: MonitorOptions | false;
}

const KNOWN: ReadonlyArray<keyof DatabaseModuleOptions> = [
  'name',
  'isGlobal',
  'url',
  'hosts',
  'replicas',
  'tls',
  'applicationName',
  'pool',
  'replicaPool',
  'startup',
  'retry',
  'breaker',
  'routing',
  'transaction',
  'listen',
  'typeorm',
  'telemetry',
  'health',
  'monitor',
  'endpoints',
];

/**
 * Lays the options over their defaults and checks all of them.
 * @throws ConfigurationError with every problem at once.
 */
export function resolveOptions(options: DatabaseModuleOptions = {}): ResolvedOptions {
  const checks = new Checks();
  checks.knownKeys('', options, KNOWN);
  const name = options.name ?? DEFAULT_INSTANCE;
  checks.string('name', name);
  const pool = poolSlice('pool', options.pool, POOL_DEFAULTS, checks);
  checkPool('pool', pool, checks);
  const replicaPool = poolSlice('replicaPool', options.replicaPool, pool, checks);
  if (options.replicaPool !== undefined) checkPool('replicaPool', replicaPool, checks);
  const startup = checks.slice('startup', options.startup, STARTUP_DEFAULTS);
  checkStartup(startup, checks);
  const retry = checks.slice('retry', options.retry, RETRY_DEFAULTS);
  checkRetry(retry, checks);
  const breaker = checks.slice('breaker', options.breaker, BREAKER_DEFAULTS);
  checkBreaker(breaker, checks);
  const routing = checks.slice('routing', options.routing, ROUTING_DEFAULTS);
  checkRouting(routing, checks);
  const transaction = checks.slice('transaction', options.transaction, TRANSACTION_DEFAULTS);
  checkTransaction(transaction, checks);
  const typeorm = resolveTypeorm(options.typeorm, checks);
  const rooms = {
    telemetry: resolveTelemetry(options.telemetry, checks),
    health: resolveHealth(options.health, checks, routing),
    monitor: resolveMonitor(options.monitor, checks),
  };
  resolveEndpoints(options.endpoints, checks, { isDefaultInstance: name === DEFAULT_INSTANCE });
  const nodes = resolveNodes(options, checks);
  const listen = resolveListen(options, checks);
  checks.throwIfAny();
  const slices = {
    pool,
    replicaPool,
    startup,
    retry,
    breaker,
    routing,
    transaction,
    listen,
    typeorm,
  };
  for (const slice of Object.values(slices)) Object.freeze(slice);
  return Object.freeze({ name, nodes: Object.freeze(nodes), ...slices, ...rooms });
}
