// What may be said of a TypeORM data source whose connections are ours, and what is said elsewhere.
import type { Checks } from '../../kernel/option-checks.js';

/** Classes, schemas or globs, as a list or under names. */
export type TypeormList =
  ReadonlyArray<object | string> | Readonly<Record<string, object | string>>;

/** TypeORM on the connections of an instance. What is not said here means what it means to TypeORM. */
export interface TypeormOptions {
  /** Entity classes, entity schemas, or globs of files that export them. */
  readonly entities?: TypeormList | undefined;
  /** Adds the entities of every `TypeOrmModule.forFeature()`. @default true */
  readonly autoLoadEntities: boolean;
  /** Migration classes, or globs. */
  readonly migrations?: TypeormList | undefined;
  /** Runs pending migrations when the data source starts. */
  readonly migrationsRun?: boolean | undefined;
  readonly migrationsTableName?: string | undefined;
  readonly migrationsTransactionMode?: 'all' | 'none' | 'each' | undefined;
  /** Longest time of one statement of migrations and schema changes, in ms. @default 3600000 */
  readonly migrationTimeoutMs: number;
  /** Makes the schema fit the entities at every start. May lose data: for development. */
  readonly synchronize?: boolean | undefined;
  /** Drops everything at every start. For tests. */
  readonly dropSchema?: boolean | undefined;
  /** Subscriber classes, or globs. */
  readonly subscribers?: TypeormList | undefined;
  readonly namingStrategy?: object | undefined;
  readonly logging?: boolean | 'all' | readonly string[] | undefined;
  readonly logger?: string | object | undefined;
  /** Statements that take longer are logged by TypeORM, in ms. */
  readonly maxQueryExecutionTime?: number | undefined;
  /** Schema of tables that name none. */
  readonly schema?: string | undefined;
  readonly entityPrefix?: string | undefined;
  readonly entitySkipConstructor?: boolean | undefined;
  readonly metadataTableName?: string | undefined;
  readonly relationLoadStrategy?: 'join' | 'query' | undefined;
  readonly typename?: string | undefined;
  readonly cache?: boolean | object | undefined;
  readonly isolateWhereStatements?: boolean | undefined;
  readonly invalidWhereValuesBehavior?: object | undefined;
  /** Isolation of TypeORM's own transactions. */
  readonly isolationLevel?: string | undefined;
  readonly uuidExtension?: 'pgcrypto' | 'uuid-ossp' | undefined;
  /** Installs extensions that entities need. */
  readonly installExtensions?: boolean | undefined;
  readonly extensions?: readonly string[] | undefined;
  /** May be left out. */
  readonly type?: 'postgres' | undefined;
  /**
   * Sends SELECTs of repositories and query builders to replicas. Code written for TypeORM often reads what it has
   * just written, and would miss it there. @default false
   */
  readonly readFromReplicas: boolean;
}

/** Defaults of {@link TypeormOptions}. */
export const TYPEORM_DEFAULTS: TypeormOptions = Object.freeze({
  autoLoadEntities: true,
  migrationTimeoutMs: 3_600_000,
  readFromReplicas: false,
});

const KNOWN: ReadonlyArray<keyof TypeormOptions> = [
  'entities',
  'autoLoadEntities',
  'migrations',
  'migrationsRun',
  'migrationsTableName',
  'migrationsTransactionMode',
  'migrationTimeoutMs',
  'synchronize',
  'dropSchema',
  'subscribers',
  'namingStrategy',
  'logging',
  'logger',
  'maxQueryExecutionTime',
  'schema',
  'entityPrefix',
  'entitySkipConstructor',
  'metadataTableName',
  'relationLoadStrategy',
  'typename',
  'cache',
  'isolateWhereStatements',
  'invalidWhereValuesBehavior',
  'isolationLevel',
  'uuidExtension',
  'installExtensions',
  'extensions',
  'type',
  'readFromReplicas',
];

const URL_MEND = 'Say it in url: postgresql://user:password@host:5432/database.';
const START_MEND = 'The module waits and retries as the option startup says.';

/** Options of TypeORM, and of its Nest module, that speak of connections: the module has its own for them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  url: 'Say it in the option url beside typeorm.',
  host: URL_MEND,
  port: URL_MEND,
  username: URL_MEND,
  password: URL_MEND,
  database: URL_MEND,
  ssl: 'Use the option tls beside typeorm.',
  applicationName: 'Use the option applicationName beside typeorm.',
  poolSize: 'Use pool.max.',
  connectTimeoutMS: 'Use pool.connectTimeoutMs.',
  extra: 'Use the options pool, tls and applicationName beside typeorm.',
  replication: 'Use replicas, and typeorm.readFromReplicas for reads of TypeORM.',
  poolErrorHandler: 'The pool looks after its connections; lost ones are told by its events.',
  driver: 'Leave it out: the connections are those of the module.',
  nativeDriver: 'Leave it out: the connections are those of the module.',
  parseInt8: 'Give the column a transformer: int8 does not fit into a number.',
  logNotifications: 'Take a client of DatabasePoolService.pgPool() and listen to "notification".',
  useUTC: 'Set the time zone of the process (TZ), or of the session by options in the URL.',
  name: 'Use the option name beside typeorm: the data source has the name of the instance.',
  retryAttempts: START_MEND,
  retryDelay: START_MEND,
  toRetry: START_MEND,
  verboseRetryLog: START_MEND,
  manualInitialization: START_MEND,
  keepConnectionAlive: START_MEND,
};

/** Reads the option `typeorm`; false when there is none. */
export function resolveTypeorm(given: unknown, checks: Checks): TypeormOptions | false {
  if (given === undefined || given === false) return false;
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  const rest: Record<string, unknown> = isObject ? { ...given } : {};
  for (const key of Object.keys(rest)) {
    const mend = ELSEWHERE[key];
    if (mend === undefined) continue;
    // Its value may hold a password.
    checks.problem(`typeorm.${key}`, undefined, 'is not said here', mend);
    delete rest[key];
  }
  const typeorm = checks.slice('typeorm', isObject ? rest : given, TYPEORM_DEFAULTS, KNOWN);
  checks.oneOf('typeorm.type', typeorm.type, [undefined, 'postgres']);
  checks.boolean('typeorm.autoLoadEntities', typeorm.autoLoadEntities);
  checks.boolean('typeorm.readFromReplicas', typeorm.readFromReplicas);
  checks.durationMs('typeorm.migrationTimeoutMs', typeorm.migrationTimeoutMs, { min: 1 });
  return typeorm;
}
