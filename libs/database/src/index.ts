// The only door of the library.
export { DatabaseModule } from './database.module.js';
export type { DatabaseModuleAsyncOptions } from './database.module.js';
export type { DatabaseModuleOptions } from './database.options.js';
export type { HostOption, HostsOptions } from './database.hosts.js';
export { databaseOptionsFromEnv } from './database.environment.js';
export { getDatabaseToken, InjectDatabase } from './database.tokens.js';

export { Transactional } from './database.transactional.js';
export type { TransactionalOptions } from './database.transactional.js';
export { DatabaseService } from './database.service.js';
export type { CopyOptions, CopyRow, CopySource } from './database.copy.js';
export type { StreamOptions } from './database.cursor.js';
export type { DatabaseStatus, LifeState } from './database.core.js';
export type {
  Consistency,
  Field,
  QueryOptions,
  QueryResult,
  Statement,
  TypeParsers,
} from './query/query.js';
export type { Session, Transaction } from './transaction/transaction.js';
export type {
  IsolationLevel,
  Propagation,
  TransactionDefaults,
  TransactionOptions,
} from './transaction/transaction.options.js';

export { DatabasePoolService } from './database.pool.service.js';
export type { PgConnectCallback, PgPool } from './adapters/pg-pool.js';
export type { PgPoolClient } from './adapters/pg-pool-client.js';
export type {
  PgCallback,
  PgField,
  PgPoolOptions,
  PgPoolRole,
  PgQueryConfig,
  PgResult,
  PgSubmittable,
} from './adapters/pg-pool.types.js';
export type { TypeormList, TypeormOptions } from './adapters/typeorm/typeorm.options.js';
export type { PoolOptions } from './pool/pool.options.js';
export type { PoolStats } from './pool/pool-stats.js';
export type { DeclaredRole, NodeRole, NodeSnapshot } from './routing/node.js';
export type { RoutingOptions } from './routing/routing.options.js';
export type { StartupOptions } from './database.startup.js';
export type { TlsMode, TlsOptions } from './driver/tls.options.js';

export { DatabaseRetryService } from './database.retry.service.js';
export type { RetryRunOptions } from './database.retry.service.js';
export type { BreakerOptions, RetryOptions } from './resilience/resilience.options.js';
export type { CircuitSnapshot, CircuitState } from './resilience/circuit-breaker.js';
export type { ErrorVerdict, RetryScope } from './resilience/retry-policy.js';

export { DatabaseHealthIndicator } from './ops/health/database.health.js';
export type { IndicatorDetails, IndicatorResult } from './ops/health/database.health.js';
export type { HealthOptions } from './ops/health/health.options.js';
export { DatabaseMonitorService } from './ops/monitor/monitor.service.js';
export type { MonitorMetric } from './ops/monitor/metrics.js';
export type { MonitorOptions } from './ops/monitor/monitor.options.js';
export type {
  History,
  HistoryPoint,
  HistoryRequest,
  MonitorReport,
  MonitorSnapshot,
} from './ops/monitor/monitor.types.js';
export { DatabaseExceptionFilter } from './ops/endpoints/database-exception.filter.js';
export type { EndpointsOptions } from './ops/endpoints/endpoints.options.js';
export type { TelemetryOptions } from './telemetry/telemetry.options.js';

export type { EventMap, LeaseFacts, QueryOutcome, QueryRecord } from './kernel/event-map.js';
export {
  CheckViolationError,
  CircuitOpenError,
  ConfigurationError,
  ConnectionError,
  DatabaseError,
  DeadlockError,
  ForeignKeyViolationError,
  InDoubtError,
  NotFoundRowError,
  NotNullViolationError,
  ParameterError,
  PoolOverloadedError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryError,
  QueryTimeoutError,
  ReadOnlyError,
  SerializationError,
  ShutdownError,
  TooManyRowsError,
  UniqueViolationError,
  UsageError,
} from './kernel/errors.js';
export type { OptionProblem, PoolFigures } from './kernel/errors.js';
export { findDatabaseError } from './kernel/error-chain.js';
