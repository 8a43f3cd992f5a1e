// The connections of one node: taken, waited for, given back, opened and closed.
import type { Clock } from '../kernel/clock.js';
import { PoolOverloadedError, PoolTimeoutError, ShutdownError } from '../kernel/errors.js';
import type { ConnectionError, DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Connection } from '../driver/driver.js';
import { Connector } from './connector.js';
import { Lease } from './lease.js';
import type { LeaseHome } from './lease.js';
import { PoolCounters } from './pool-counters.js';
import { drain } from './pool-closing.js';
import { PoolKeeper } from './pool-keeper.js';
import type { PoolStats } from './pool-stats.js';
import type { PoolOptions } from './pool.options.js';
import { PooledConnection } from './pooled-connection.js';
import { answers, resetSession, rollBack } from './session-care.js';
import { WaitQueue } from './wait-queue.js';
import type { Waiter } from './wait-queue.js';

/** What a pool works with. */
export interface PoolParts {
  readonly node: string;
  readonly options: PoolOptions;
  readonly clock: Clock;
  readonly events: Events;
  /** Opens a connection within `options.connectTimeoutMs`. */
  readonly connect: () => Promise<Connection>;
}

/** Longest time for saying goodbye, in ms. */
const END_TIMEOUT_MS = 2_000;

/**
 * A pool of connections. Everything waits in one fair queue; a connection that fails the destroy rule
 * frees its place at once; an open transaction never reaches the next borrower.
 */
export class Pool implements LeaseHome {
  readonly node: string;
  readonly clock: Clock;
  readonly options: PoolOptions;
  readonly connections = new Set<PooledConnection>();
  readonly leases = new Set<Lease>();
  private readonly idle: PooledConnection[] = [];
  private readonly queue = new WaitQueue();
  private readonly counters = new PoolCounters();
  private readonly connector: Connector;
  private readonly keeper: PoolKeeper;
  private validating = 0;
  private isClosing = false;
  private closing: Promise<void> | undefined;
  private drained: (() => void) | undefined;

  constructor(private readonly parts: PoolParts) {
    this.node = parts.node;
    this.clock = parts.clock;
    this.options = parts.options;
    this.connector = new Connector(parts, {
      opened: (connection) => this.add(connection),
      failed: (error) => this.connectFailed(error),
    });
    this.keeper = new PoolKeeper(this, parts);
  }

  /** Connections that rest, the most recently used one last. */
  get idleConnections(): readonly PooledConnection[] {
    return this.idle;
  }

  /** Begins to open `min` connections and to look after them; does not wait for any. */
  start(): void {
    this.keeper.start();
    this.grow();
  }

  /** A connection that can be used at once, or undefined: then {@link wait}. */
  take(): PooledConnection | undefined {
    // What is popped while the pool closes would be lost to its end.
    const pooled = this.isClosing ? undefined : this.idle.pop();
    if (pooled === undefined) return undefined;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - pooled.idleSinceMs > this.options.validateAfterIdleMs) {
      void this.validate(pooled);
      return undefined;
    }
    this.mark(pooled, nowMs);
    return pooled;
  }

  /** Queues a waiter; it is told when a connection is his, or why none will be. */
  wait(waiter: Waiter): void {
    // Whoever waits for a connection that may still be opened, or turn out to live, does not wait for others.
    const coming = this.options.max - this.connections.size + this.validating;
    if (this.isClosing) {
      waiter.refused(new ShutdownError(`The pool of "${this.node}" is closed.`));
    } else if (this.queue.size >= this.options.maxWaiting + coming) {
      this.counters.refused++;
      waiter.refused(new PoolOverloadedError(this.node, this.figures(), this.retryAfterMs()));
    } else {
      this.queue.push(waiter);
      this.grow();
    }
  }

  /** Takes a waiter out of the queue; no-op when it is not in. */
  abandon(waiter: Waiter): void {
    this.queue.remove(waiter);
  }

  /** The error for a waiter whose time is up; counts it. */
  timeoutError(waitedMs: number): PoolTimeoutError {
    this.counters.acquireTimeouts++;
    const cause = this.connector.lastError;
    return new PoolTimeoutError(this.node, waitedMs, this.figures(), this.retryAfterMs(), cause);
  }

  /** Gives a connection back. */
  give(pooled: PooledConnection): void {
    const nowMs = this.clock.monotonicMs();
    this.counters.used(nowMs - pooled.takenAtMs);
    if (!pooled.connection.isUsable) this.discard(pooled, 'it was lost');
    else if (pooled.connection.transactionStatus !== 'idle') void this.rollBack(pooled);
    else if (this.isClosing || nowMs >= pooled.expiresAtMs) this.discard(pooled, 'its time is up');
    else this.offer(pooled, nowMs);
  }

  /** Turns a taken connection into a lease. */
  lease(pooled: PooledConnection, borrowedAt: { readonly stack?: string } | undefined): Lease {
    const lease = new Lease(this, pooled, borrowedAt);
    this.leases.add(lease);
    return lease;
  }

  returned(lease: Lease, pooled: PooledConnection, reset: boolean): void {
    this.leases.delete(lease);
    if (lease.isReported) this.parts.events.emit('lease:returned-late', lease.facts());
    if (pooled.connection.transactionStatus !== 'idle' && pooled.connection.isUsable) {
      this.parts.events.emit('lease:dirty', lease.facts());
    }
    if (reset) void this.resetSession(pooled);
    else this.give(pooled);
  }

  dropped(lease: Lease, pooled: PooledConnection, reason: string): void {
    this.leases.delete(lease);
    this.discard(pooled, reason);
  }

  /** Closes a connection that nobody has, or that nobody may have any more; its place is free at once. */
  discard(pooled: PooledConnection, reason: string): void {
    const at = this.idle.indexOf(pooled);
    if (at >= 0) this.idle.splice(at, 1);
    if (!this.connections.delete(pooled)) return;
    this.counters.closed++;
    const { backendPid } = pooled.connection;
    this.parts.events.emit('connection:closed', { node: this.node, backendPid, reason });
    if (pooled.connection.transactionStatus === 'idle') void pooled.connection.end(END_TIMEOUT_MS);
    else pooled.connection.destroy();
    if (this.connections.size === 0) this.drained?.();
    this.grow();
  }

  /** The node does not answer its probe: remembers what each connection has received by now. */
  suspect(): void {
    for (const pooled of this.connections) pooled.bytesAtSuspicion = pooled.connection.bytesRead;
  }

  /** The node does not answer a new connection either: those that received nothing since are dead. */
  sever(): void {
    for (const pooled of [...this.connections]) {
      if (pooled.connection.bytesRead === pooled.bytesAtSuspicion) pooled.connection.destroy();
    }
  }

  onceEmpty(callback: () => void): void {
    this.drained = callback;
  }

  /** Counts a leak; the keeper found it. */
  leaked(lease: Lease): void {
    this.counters.leaks++;
    lease.isReported = true;
    this.parts.events.emit('lease:leaked', lease.facts());
  }

  stats(): PoolStats {
    const { leased, max, waiting } = this.figures();
    return {
      node: this.node,
      total: this.connections.size,
      idle: this.idle.length,
      leased,
      connecting: this.connector.connecting,
      waiting,
      max,
      min: this.options.min,
      utilizationRatio: leased / max,
      ...this.counters.snapshot(),
      connectFailures: this.connector.failures,
      lastConnectError: this.connector.lastError?.message,
    };
  }

  /**
   * Refuses whoever waits, gives those who hold a connection `closeTimeoutMs`, then cancels, then cuts.
   * Concurrent calls share one promise. Never rejects, never pends.
   */
  close(): Promise<void> {
    return (this.closing ??= this.shutDown());
  }

  /** Opens what is missing: for those who wait, and up to `min`. */
  grow(): void {
    if (this.isClosing) return;
    const { max, min } = this.options;
    const { connecting } = this.connector;
    const have = this.connections.size + connecting;
    const wanted = Math.max(this.queue.size - connecting - this.validating, min - have);
    this.connector.open(Math.min(wanted, max - have));
  }

  private figures(): { leased: number; max: number; waiting: number } {
    return {
      leased: this.connections.size - this.idle.length,
      max: this.options.max,
      waiting: this.queue.size,
    };
  }

  /** When a queue of this length should be gone: waiting * mean use / connections, at least 1 s. */
  private retryAfterMs(): number {
    return this.counters.queueMs(this.queue.size, this.options.max);
  }

  private mark(pooled: PooledConnection, nowMs: number): void {
    pooled.takenAtMs = nowMs;
    this.counters.acquired++;
  }

  private offer(pooled: PooledConnection, nowMs: number): void {
    const waiter = this.queue.shift();
    if (waiter === undefined) {
      pooled.idleSinceMs = nowMs;
      this.idle.push(pooled);
    } else {
      this.mark(pooled, nowMs);
      waiter.granted(pooled);
    }
  }

  private add(connection: Connection): void {
    if (this.isClosing) {
      const { backendPid } = connection;
      const reason = 'the pool closed while it was opened';
      this.parts.events.emit('connection:closed', { node: this.node, backendPid, reason });
      void connection.end(END_TIMEOUT_MS);
      return;
    }
    const pooled = new PooledConnection(connection, this.clock, this.options);
    this.connections.add(pooled);
    this.counters.opened++;
    connection.onClosed = (reason) => this.discard(pooled, reason);
    this.offer(pooled, this.clock.monotonicMs());
    this.grow();
  }

  /** Nobody can be served when there is no connection at all; otherwise those who wait may be. */
  private connectFailed(error: ConnectionError): void {
    if (this.connections.size > 0 || this.connector.connecting > 0)
      this.connector.retryLater(() => this.grow());
    else this.refuseAll(error);
  }

  private refuseAll(error: DatabaseError): void {
    for (let waiter = this.queue.shift(); waiter !== undefined; waiter = this.queue.shift()) {
      waiter.refused(error);
    }
  }

  private async validate(pooled: PooledConnection): Promise<void> {
    this.validating++;
    const lives = await answers(pooled);
    this.validating--;
    if (lives && !this.isClosing) this.offer(pooled, this.clock.monotonicMs());
    else {
      this.discard(pooled, 'it did not answer any more');
      // Somebody waits for it; and when it was lost meanwhile, its discard came while it still counted.
      this.grow();
    }
  }

  private async rollBack(pooled: PooledConnection): Promise<void> {
    if (await rollBack(pooled)) this.give(pooled);
    else this.discard(pooled, 'its transaction could not be rolled back');
  }

  private async resetSession(pooled: PooledConnection): Promise<void> {
    if (await resetSession(pooled)) this.give(pooled);
    else this.discard(pooled, 'its session could not be reset');
  }

  private async shutDown(): Promise<void> {
    const startedAtMs = this.clock.monotonicMs();
    this.isClosing = true;
    const connected = this.connector.stop();
    await this.keeper.stop();
    this.refuseAll(new ShutdownError(`The pool of "${this.node}" closes.`));
    for (const pooled of [...this.idle]) this.discard(pooled, 'the pool closes');
    const closing = await drain(this, this.options.closeTimeoutMs);
    await connected;
    const tookMs = this.clock.monotonicMs() - startedAtMs;
    this.parts.events.emit('pool:closed', { node: this.node, tookMs, ...closing });
  }
}
