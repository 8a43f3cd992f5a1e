// All options of the module: partial at the door, whole and frozen inside.
import { resolveTypeorm } from './adapters/typeorm/typeorm.options.js';
import type { TypeormOptions } from './adapters/typeorm/typeorm.options.js';
import { Checks } from './kernel/option-checks.js';
import { parseTarget, splitHosts } from './driver/target.js';
import type { ConnectionTarget } from './driver/target.js';
import { resolveTls } from './driver/tls.options.js';
import type { TlsMode, TlsOptions } from './driver/tls.options.js';
import { checkPool, POOL_DEFAULTS } from './pool/pool.options.js';
import type { PoolOptions } from './pool/pool.options.js';
import {
  BREAKER_DEFAULTS,
  checkBreaker,
  checkRetry,
  RETRY_DEFAULTS,
} from './resilience/resilience.options.js';
import type { BreakerOptions, RetryOptions } from './resilience/resilience.options.js';
import type { DeclaredRole } from './routing/node.js';
import { checkRouting, ROUTING_DEFAULTS } from './routing/routing.options.js';
import type { RoutingOptions } from './routing/routing.options.js';
import { checkStartup, STARTUP_DEFAULTS } from './database.startup.js';
import type { StartupOptions } from './database.startup.js';
import { checkTransaction, TRANSACTION_DEFAULTS } from './transaction/transaction.options.js';
import type { TransactionDefaults } from './transaction/transaction.options.js';

/** One server of several whose roles are found or declared. */
export interface HostOption {
  readonly url: string;
  /** @default 'auto' */
  readonly role?: DeclaredRole | undefined;
}

/** What `DatabaseModule.forRoot()` takes. Every slice may be left out or given in part. */
export interface DatabaseModuleOptions {
  /** Name of the instance; give it beside `forRootAsync`'s factory, not inside. @default 'default' */
  readonly name?: string | undefined;
  /** Whether all modules see the services without importing. @default true */
  readonly isGlobal?: boolean | undefined;
  /** `postgresql://user:password@host:5432/database`; left out in development, PostgreSQL is started. */
  readonly url?: string | undefined;
  /** Several servers instead of `url` and `replicas`. */
  readonly hosts?: readonly HostOption[] | undefined;
  /** Servers that follow `url`. */
  readonly replicas?: ReadonlyArray<string | { readonly url: string }> | undefined;
  /** @default 'disable', in production 'verify-full' */
  readonly tls?: boolean | TlsMode | Partial<TlsOptions> | undefined;
  /** Shown in pg_stat_activity. @default 'nestjs-database' */
  readonly applicationName?: string | undefined;
  readonly pool?: Partial<PoolOptions> | undefined;
  /** The pools of replicas. @default pool */
  readonly replicaPool?: Partial<PoolOptions> | undefined;
  readonly startup?: Partial<StartupOptions> | undefined;
  readonly retry?: Partial<RetryOptions> | undefined;
  readonly breaker?: Partial<BreakerOptions> | undefined;
  readonly routing?: Partial<RoutingOptions> | undefined;
  readonly transaction?: Partial<TransactionDefaults> | undefined;
  /** Registers a TypeORM data source on the connections of this instance; needs typeorm and @nestjs/typeorm. */
  readonly typeorm?: Partial<TypeormOptions> | false | undefined;
}

/** A server of the instance. */
export interface ResolvedNode {
  readonly name: string;
  readonly declaredRole: DeclaredRole;
  readonly target: ConnectionTarget;
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
  readonly typeorm: TypeormOptions | false;
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
  'typeorm',
];

interface Declared {
  readonly path: string;
  readonly url: unknown;
  readonly role: DeclaredRole;
}

function declaredHosts(options: DatabaseModuleOptions, checks: Checks): Declared[] {
  const { url, hosts, replicas } = options;
  if (hosts !== undefined) {
    if (url !== undefined || replicas !== undefined) {
      checks.problem(
        'hosts',
        undefined,
        'cannot stand beside url or replicas',
        'List all servers in hosts.',
      );
    }
    return hosts.map(({ url: host, role }, index) => {
      checks.oneOf(`hosts[${index}].role`, role, [undefined, 'auto', 'primary', 'replica']);
      return { path: `hosts[${index}].url`, url: host, role: role ?? 'auto' };
    });
  }
  const several = typeof url === 'string' ? splitHosts(url) : [url];
  const role = several.length > 1 ? 'auto' : 'primary';
  const first =
    url === undefined ? [] : several.map((one) => ({ path: 'url', url: one, role }) as const);
  const rest = (replicas ?? []).map((replica, index) => ({
    path: `replicas[${index}]`,
    url: typeof replica === 'object' ? replica.url : replica,
    role: 'replica' as const,
  }));
  return [...first, ...rest];
}

function resolveNodes(options: DatabaseModuleOptions, checks: Checks): ResolvedNode[] {
  const isProduction = process.env['NODE_ENV'] === 'production';
  const tls = resolveTls(options.tls, isProduction ? 'verify-full' : 'disable', checks);
  const applicationName = options.applicationName ?? 'nestjs-database';
  checks.string('applicationName', applicationName);
  const declared = declaredHosts(options, checks);
  if (isProduction && !declared.some(({ role }) => role !== 'replica')) {
    const mend = 'Set DATABASE_URL or pass url; only development starts a PostgreSQL of its own.';
    checks.problem('url', undefined, 'must be given in production', mend);
  } else if (declared.length > 0 && declared.every(({ role }) => role === 'replica')) {
    checks.problem(
      'url',
      options.url,
      'must be given beside replicas',
      'Pass the URL of the primary.',
    );
  }
  const counts = { primary: 0, replica: 0, auto: 0 };
  return declared.flatMap(({ path, url, role }) => {
    const target = parseTarget(path, url, { tls, applicationName }, checks);
    const number = ++counts[role];
    const name =
      role === 'primary' ? 'primary' : `${role === 'auto' ? 'node' : 'replica'}-${number}`;
    return target === undefined ? [] : [Object.freeze({ name, declaredRole: role, target })];
  });
}

/** A default minimum yields to a maximum that was chosen; one that was chosen too is checked. */
function poolSlice(
  path: string,
  given: Partial<PoolOptions> | undefined,
  defaults: PoolOptions,
  checks: Checks,
): PoolOptions {
  const pool = checks.slice(path, given, defaults);
  return given?.min === undefined ? { ...pool, min: Math.min(pool.min, pool.max) } : pool;
}

/**
 * Lays the options over their defaults and checks all of them.
 * @throws ConfigurationError with every problem at once.
 */
export function resolveOptions(options: DatabaseModuleOptions = {}): ResolvedOptions {
  const checks = new Checks();
  checks.knownKeys('', options, KNOWN);
  const name = options.name ?? 'default';
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
  const nodes = resolveNodes(options, checks);
  checks.throwIfAny();
  const slices = { pool, replicaPool, startup, retry, breaker, routing, transaction, typeorm };
  for (const slice of Object.values(slices)) Object.freeze(slice);
  return Object.freeze({ name, nodes: Object.freeze(nodes), ...slices });
}
