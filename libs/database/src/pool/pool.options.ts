// How many connections a node has, how long they live, and how long anybody waits for one.
import { Checks } from '../kernel/option-checks.js';

/** The pool of one node. */
export interface PoolOptions {
  /** Most connections at a time. @default 20 */
  readonly max: number;
  /** Connections kept open and warm, even when nobody asks. @default 2, or `max` when that is less */
  readonly min: number;
  /** Longest wait for a free connection before PoolTimeoutError, in ms. @default 5000 */
  readonly acquireTimeoutMs: number;
  /** Longest time to open a connection, TLS and authentication included, in ms. @default 2000 */
  readonly connectTimeoutMs: number;
  /** Longest time of one statement on the server before it is cancelled, in ms. @default 5000 */
  readonly statementTimeoutMs: number;
  /** Connections above `min` are closed after this time without work, in ms. @default 30000 */
  readonly idleTimeoutMs: number;
  /** Connections are replaced at this age, less up to 10 % at random, in ms; 0 means never. @default 1800000 */
  readonly maxLifetimeMs: number;
  /** A connection that rested longer is asked whether it lives before it is given out, in ms. @default 1000 */
  readonly validateAfterIdleMs: number;
  /** A lease held longer is reported with the stack of its borrower, in ms; 0 means never. @default 60000 */
  readonly leakDetectionMs: number;
  /** Callers that may wait at a time; the next one gets PoolOverloadedError at once. @default 2000 */
  readonly maxWaiting: number;
  /**
   * Callers may wait this long under overload, in ms; 0 never sheds. Once all of them have waited longer for
   * `queueIntervalMs` on end, those who still do get PoolOverloadedError, and the newest is served first, until the
   * queue is empty.
   * @default 2500, or half of `acquireTimeoutMs` when that is chosen
   */
  readonly queueTargetMs: number;
  /**
   * Time on end over which the queue has to be too slow, in ms. Not shorter than `acquireTimeoutMs`, it sheds no
   * burst that would be served in time.
   * @default 5000, or `acquireTimeoutMs` when that is chosen
   */
  readonly queueIntervalMs: number;
  /** Connections that are opened at the same time. @default 4 */
  readonly maxConnecting: number;
  /** Share of `max` from which the pool is reported as saturated, above 0 to 1. @default 0.8 */
  readonly saturationRatio: number;
  /** Longest wait for leased connections when the pool closes, in ms. @default 10000 */
  readonly closeTimeoutMs: number;
  /**
   * Most connections that fast reads outside of transactions share, of a quarter of `max` at most; `false` gives each
   * read a connection of its own.
   * @default 4
   */
  readonly lane: number | false;
  /**
   * Statements that each connection keeps prepared, from the second use of a text on; the least recently used one goes.
   * A statement costs the server about 10 kB for each connection. `false` prepares only what `name` asks for.
   * @default 256
   */
  readonly prepare: number | false;
  /**
   * A client of `pgPool()`, and a query runner of TypeORM, has a connection only while it needs one: from its first
   * statement that leaves something in the session on, and for a transaction. false takes it at `connect()`. @default true
   */
  readonly virtualClients: boolean;
}

/** Defaults of {@link PoolOptions}. */
export const POOL_DEFAULTS: PoolOptions = Object.freeze({
  max: 20,
  min: 2,
  acquireTimeoutMs: 5_000,
  connectTimeoutMs: 2_000,
  statementTimeoutMs: 5_000,
  idleTimeoutMs: 30_000,
  maxLifetimeMs: 1_800_000,
  validateAfterIdleMs: 1_000,
  leakDetectionMs: 60_000,
  maxWaiting: 2_000,
  queueTargetMs: 2_500,
  queueIntervalMs: 5_000,
  maxConnecting: 4,
  saturationRatio: 0.8,
  closeTimeoutMs: 10_000,
  lane: 4,
  prepare: 256,
  virtualClients: true,
});

/**
 * Lays what was given over `defaults`: a default yields to what was chosen beside it, for `min` of 2 does not fit into
 * a `max` of 1, and whoever lets callers wait for 30 s does not want them shed after 2.5 s.
 */
export function poolSlice(
  path: string,
  given: Partial<PoolOptions> | undefined,
  defaults: PoolOptions,
  checks: Checks,
): PoolOptions {
  const pool = checks.slice(path, given, defaults);
  const { acquireTimeoutMs } = pool;
  const waits = given?.acquireTimeoutMs !== undefined && acquireTimeoutMs > 0;
  return {
    ...pool,
    ...(given?.min === undefined && { min: Math.min(pool.min, pool.max) }),
    ...(waits &&
      given.queueTargetMs === undefined &&
      pool.queueTargetMs > 0 && { queueTargetMs: Math.ceil(acquireTimeoutMs / 2) }),
    ...(waits && given.queueIntervalMs === undefined && { queueIntervalMs: acquireTimeoutMs }),
  };
}

/** The size of a pool; what is left out stays as it is. */
export interface PoolSize {
  readonly max?: number | undefined;
  /** Follows `max` down where it is left out. */
  readonly min?: number | undefined;
}

/**
 * The options with another size.
 * @throws ConfigurationError when it is none.
 */
export function resized(options: PoolOptions, { max = options.max, min }: PoolSize): PoolOptions {
  const checks = new Checks();
  const sized = { ...options, max, min: min ?? Math.min(options.min, max) };
  checkPool('pool', sized, checks);
  checks.throwIfAny();
  return Object.freeze(sized);
}

/** Checks a pool's slice; `path` is `pool` or `replicaPool`. */
export function checkPool(path: string, pool: PoolOptions, checks: Checks): void {
  checks.count(`${path}.max`, pool.max, { min: 1, max: 10_000 });
  checks.count(`${path}.min`, pool.min, { min: 0 });
  if (Number.isInteger(pool.min) && Number.isInteger(pool.max) && pool.min > pool.max) {
    const rule = `must not be greater than ${path}.max (${pool.max})`;
    checks.problem(`${path}.min`, pool.min, rule, `Lower ${path}.min or raise ${path}.max.`);
  }
  checks.durationMs(`${path}.acquireTimeoutMs`, pool.acquireTimeoutMs, { min: 1 });
  checks.durationMs(`${path}.connectTimeoutMs`, pool.connectTimeoutMs, { min: 1 });
  checks.durationMs(`${path}.statementTimeoutMs`, pool.statementTimeoutMs, { min: 1 });
  checks.durationMs(`${path}.idleTimeoutMs`, pool.idleTimeoutMs, { min: 1 });
  checks.durationMs(`${path}.maxLifetimeMs`, pool.maxLifetimeMs, { min: 0 });
  checks.durationMs(`${path}.validateAfterIdleMs`, pool.validateAfterIdleMs, { min: 0 });
  checks.durationMs(`${path}.leakDetectionMs`, pool.leakDetectionMs, { min: 0 });
  checks.count(`${path}.maxWaiting`, pool.maxWaiting, { min: 0 });
  checks.durationMs(`${path}.queueTargetMs`, pool.queueTargetMs, { min: 0 });
  checks.durationMs(`${path}.queueIntervalMs`, pool.queueIntervalMs, { min: 1 });
  checks.count(`${path}.maxConnecting`, pool.maxConnecting, { min: 1 });
  checks.number(`${path}.saturationRatio`, pool.saturationRatio, { min: 0.01, max: 1 });
  checks.durationMs(`${path}.closeTimeoutMs`, pool.closeTimeoutMs, { min: 0 });
  if (pool.lane !== false) checks.count(`${path}.lane`, pool.lane, { min: 0, max: 64 });
  if (pool.prepare !== false)
    checks.count(`${path}.prepare`, pool.prepare, { min: 0, max: 10_000 });
  checks.boolean(`${path}.virtualClients`, pool.virtualClients);
}
