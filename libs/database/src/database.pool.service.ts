// The pools, for those who look at them, and for other libraries.
import type { PgPool } from './adapters/pg-pool.js';
import type { PgPoolRole } from './adapters/pg-pool.types.js';
import { newPgPool } from './database.adapters.js';
import type { DatabaseCore } from './database.core.js';
import { UsageError } from './kernel/errors.js';
import type { PoolStats } from './pool/pool-stats.js';
import type { PoolSize } from './pool/pool.options.js';
import type { NodeSnapshot } from './routing/node.js';

/** Which pools, and how long to wait for work under way. */
export interface PoolRequest {
  /** Name of one node, as in `stats()`. @default all */
  readonly node?: string | undefined;
  /** Longest wait for work under way, in ms. @default 30000 */
  readonly timeoutMs?: number | undefined;
}

/** Another size for pools; what is left out stays as it is. */
export interface ResizeRequest extends PoolSize {
  /** Name of one node, as in `stats()`. @default all */
  readonly node?: string | undefined;
}

const TIMEOUT_MS = { default: 30_000, max: 2_147_483_647 };

function readTimeoutMs({ timeoutMs = TIMEOUT_MS.default }: PoolRequest): number {
  if (timeoutMs > 0 && timeoutMs <= TIMEOUT_MS.max) return timeoutMs;
  throw new UsageError(`timeoutMs = ${timeoutMs} must be a number of ms, 1 to ${TIMEOUT_MS.max}.`);
}

/** Figures of all pools and nodes of an instance, and what an operator does with them. */
export class DatabasePoolService {
  private readonly pgPools = new Map<PgPoolRole, PgPool>();

  constructor(private readonly core: DatabaseCore) {}

  /** One entry a node. Cheap; touches no server. */
  stats(): PoolStats[] {
    return this.core.pools();
  }

  /**
   * Lets new calls wait, lets those under way end, and closes the connections: before a server is restarted or
   * another one takes over. Resolves when no connection is open. Callers wait until `resume()`, no longer than
   * `pool.acquireTimeoutMs` and their own deadline, and `pool.maxWaiting` of them.
   * @throws PoolTimeoutError when work under way took longer than `timeoutMs`: then all are resumed.
   */
  async suspend(request: PoolRequest = {}): Promise<void> {
    const controls = this.core.controlsOf(request.node);
    const timeoutMs = readTimeoutMs(request);
    try {
      await Promise.all(controls.map((control) => control.suspend(timeoutMs)));
    } catch (error) {
      for (const control of controls) control.resume();
      throw error;
    }
  }

  /** Lets calls go on, on new connections; no-op for a pool that is not suspended. */
  resume(request: Pick<PoolRequest, 'node'> = {}): void {
    for (const control of this.core.controlsOf(request.node)) control.resume();
  }

  /**
   * Gives pools another size until the process ends. They grow at once, and shrink as connections come back.
   * @throws ConfigurationError for what is no size; UsageError for a node that is not there.
   */
  resize({ node, ...size }: ResizeRequest): void {
    const controls = this.core.controlsOf(node);
    // All of them or none: a size may fit the primary and not the replicas.
    for (const control of controls) control.requireSize(size);
    for (const control of controls) control.resize(size);
  }

  /**
   * Replaces all connections as they come back, a few at a time, while calls go on: after a change of password,
   * certificate or DNS. Resolves when the old ones have gone.
   * @throws PoolTimeoutError after `timeoutMs`; what is still in use then is replaced when it comes back.
   */
  async recycle(request: PoolRequest = {}): Promise<void> {
    const controls = this.core.controlsOf(request.node);
    const timeoutMs = readTimeoutMs(request);
    await Promise.all(controls.map((control) => control.recycle(timeoutMs)));
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
