// What an operator does with a running pool: let it wait, give it another size, have its connections replaced.
import type { Clock } from '../kernel/clock.js';
import { ShutdownError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Admission } from './admission.js';
import { resized } from './pool.options.js';
import type { PoolOptions, PoolSize } from './pool.options.js';
import type { PooledConnection } from './pooled-connection.js';
import { Recycling } from './recycling.js';
import { Suspension } from './suspension.js';

/** The pool as its control sees it. */
export interface ControlledPool {
  readonly clock: Clock;
  readonly connections: ReadonlySet<PooledConnection>;
  readonly idleConnections: readonly PooledConnection[];
  readonly isClosing: boolean;
  readonly admission: Admission;
  options: PoolOptions;
  /** False while new work waits. */
  isServing: boolean;
  discard(pooled: PooledConnection, reason: string): void;
  onceEmpty(callback: () => void): () => void;
  grow(): void;
}

/** Why connections are closed here. */
export const REASONS = Object.freeze({
  suspended: 'the pool is suspended',
  surplus: 'the pool was made smaller',
  replaced: 'it is replaced',
});

/** Control of one pool. */
export class PoolControl {
  private readonly suspension: Suspension;
  private readonly recycling: Recycling;

  constructor(
    private readonly pool: ControlledPool,
    private readonly parts: { readonly node: string; readonly events: Events },
  ) {
    const { clock, admission, connections } = pool;
    const { events } = parts;
    this.suspension = new Suspension({
      clock,
      admission,
      connections,
      halt: () => this.halt(),
      proceed: (suspendedMs) => this.proceed(suspendedMs),
      onceEmpty: (callback) => pool.onceEmpty(callback),
    });
    this.recycling = new Recycling(pool, (replaced, tookMs) =>
      events.emit('pool:recycled', { ...admission.facts(), replaced, tookMs }),
    );
  }

  get isSuspended(): boolean {
    return this.suspension.isOn;
  }

  /** Connections that were closed to be replaced, and have yet to be opened again. */
  get missing(): number {
    return this.recycling.missing;
  }

  /**
   * Lets new work wait, and resolves when no connection is open any more. Whoever holds one may take another: his
   * work could not end otherwise.
   * @throws PoolTimeoutError when work under way took longer than `timeoutMs`; then the pool was resumed.
   */
  suspend(timeoutMs: number): Promise<void> {
    return this.pool.isClosing ? Promise.reject(this.closed()) : this.suspension.suspend(timeoutMs);
  }

  /** Lets work in again; no-op when the pool is not suspended. */
  resume(): void {
    this.suspension.resume();
  }

  /** @throws ConfigurationError for what is no size. */
  requireSize(size: PoolSize): void {
    resized(this.pool.options, size);
  }

  /**
   * Grows at once, and shrinks as connections come back.
   * @throws ConfigurationError for what is no size.
   */
  resize(size: PoolSize): void {
    const { pool } = this;
    const { max: formerMax } = pool.options;
    pool.options = resized(pool.options, size);
    const { max, min } = pool.options;
    this.parts.events.emit('pool:resized', { ...pool.admission.facts(), min, formerMax });
    const surplus = pool.connections.size - max;
    for (const pooled of pool.idleConnections.slice(0, Math.max(0, surplus))) {
      pool.discard(pooled, REASONS.surplus);
    }
    this.recycling.fitInto(max - pool.connections.size);
    pool.grow();
  }

  /**
   * Replaces all connections, as they come back; resolves when the old ones have gone.
   * @throws PoolTimeoutError after `timeoutMs`; the rest is replaced nevertheless.
   */
  recycle(timeoutMs: number): Promise<void> {
    return this.pool.isClosing ? Promise.reject(this.closed()) : this.recycling.run(timeoutMs);
  }

  /** Whether somebody else may have the connection before its COMMIT is answered: it would be handed out again then. */
  mayPassOn(pooled: PooledConnection, nowMs: number): boolean {
    const { connections, options, isServing } = this.pool;
    const isSurplus = connections.size > options.max || nowMs >= pooled.expiresAtMs;
    if (!isServing || isSurplus || this.recycling.wants(pooled)) return false;
    return !pooled.isEnding && pooled.connection.isUsable;
  }

  /** Why a connection that came back is not handed out again; undefined when it is. */
  verdictOn(pooled: PooledConnection): string | undefined {
    const { connections, options } = this.pool;
    if (connections.size > options.max) return REASONS.surplus;
    return this.recycling.takes(pooled) ? REASONS.replaced : undefined;
  }

  opened(): void {
    this.recycling.opened();
  }

  gone(pooled: PooledConnection): void {
    this.recycling.gone(pooled);
  }

  /** The pool closes. */
  stop(error: DatabaseError): void {
    this.recycling.stop(error);
  }

  private halt(): void {
    const { pool, parts } = this;
    pool.isServing = false;
    pool.admission.pause();
    parts.events.emit('pool:suspended', pool.admission.facts());
    for (const pooled of [...pool.idleConnections]) pool.discard(pooled, REASONS.suspended);
    this.recycling.fitInto(0);
  }

  private proceed(suspendedMs: number): void {
    const { pool, parts } = this;
    pool.isServing = !pool.isClosing;
    if (pool.connections.size > 0) pool.admission.restart(pool.clock.monotonicMs());
    parts.events.emit('pool:resumed', { ...pool.admission.facts(), tookMs: suspendedMs });
    pool.grow();
  }

  private closed(): ShutdownError {
    return new ShutdownError(`The pool of "${this.parts.node}" is closed.`);
  }
}
