// The connections of one node: lent, waited for, taken back, closed.
import type { Clock } from '../kernel/clock.js';
import { ShutdownError } from '../kernel/errors.js';
import type { PoolTimeoutError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Connection } from '../driver/driver.js';
import { Admission } from './admission.js';
import { Lane } from './lane.js';
import type { Lease } from './lease.js';
import { Leases } from './leases.js';
import { PoolCounters } from './pool-counters.js';
import { drain } from './pool-closing.js';
import { PoolControl, REASONS } from './pool-control.js';
import { PoolKeeper } from './pool-keeper.js';
import { snapshotOf } from './pool-stats.js';
import type { PoolStats } from './pool-stats.js';
import type { PoolOptions } from './pool.options.js';
import type { PooledConnection } from './pooled-connection.js';
import { clean, sayGoodbye } from './session-care.js';
import { Supply } from './supply.js';
import { mayFollow } from './wait-queue.js';
import type { Waiter } from './wait-queue.js';

/** What a pool works with. */
export interface PoolParts {
  readonly node: string;
  readonly options: PoolOptions;
  readonly clock: Clock;
  readonly events: Events;
  /** Opens a connection within `options.connectTimeoutMs`. */
  readonly connect: () => Promise<Connection>;
  /** False where a statement may meet another backend than the one before it. @default always true */
  readonly keepsBackend?: () => boolean;
  /** What the last probe of the server took; undefined when it is not known. @default never known */
  readonly latencyMs?: () => number | undefined;
}

/**
 * A pool of connections. Everything waits in one queue; a connection that fails the destroy rule
 * frees its place at once; an open transaction never reaches the next borrower.
 */
export class Pool {
  readonly node: string;
  readonly clock: Clock;
  /** Replaced as a whole when the pool is resized. */
  options: PoolOptions;
  readonly connections = new Set<PooledConnection>();
  readonly borrowed: Leases;
  readonly leases: ReadonlySet<Lease>;
  private readonly idle: PooledConnection[] = [];
  readonly admission: Admission;
  readonly control: PoolControl;
  /** Connections that fast reads share; borrowed from this pool. */
  readonly lane: Lane;
  private readonly counters = new PoolCounters();
  private readonly supply: Supply;
  private readonly keeper: PoolKeeper;
  /** @internal False while it closes or is suspended: then nothing rests, and new work waits. */
  isServing = true;
  isClosing = false;
  private closing: Promise<void> | undefined;
  private readonly onEmpty = new Set<() => void>();

  constructor(private readonly parts: PoolParts) {
    this.node = parts.node;
    this.clock = parts.clock;
    this.options = parts.options;
    this.borrowed = new Leases(this, parts);
    this.leases = this.borrowed.open;
    this.supply = new Supply(this, parts);
    this.keeper = new PoolKeeper(this, parts);
    this.admission = new Admission({ ...parts, counters: this.counters, pool: this });
    this.control = new PoolControl(this, parts);
    const laneAdmission = new Admission({ ...parts, counters: this.counters, pool: this });
    const usual = { keepsBackend: () => true, latencyMs: () => undefined };
    this.lane = new Lane({ ...usual, ...parts, pool: this, admission: laneAdmission });
  }

  /** Connections that rest, the most recently used one last. */
  get idleConnections(): readonly PooledConnection[] {
    return this.idle;
  }

  /** Connections that somebody uses. */
  get leased(): number {
    return this.connections.size - this.idle.length;
  }

  /** True when each connection that the pool may have is held by a lease. */
  get isLeasedOut(): boolean {
    return this.leases.size >= Math.max(this.options.max, this.connections.size);
  }

  /** Callers that are served or wait. */
  get load(): number {
    return this.leased + this.admission.queue.size + this.lane.load;
  }

  /** Begins to open `min` connections and to look after them; does not wait for any. */
  start(): void {
    this.keeper.start();
    this.grow();
  }

  /** A connection that can be used at once, or undefined: then {@link wait}. */
  take(): PooledConnection | undefined {
    // What is popped while the pool closes would be lost to its end.
    const pooled = this.isServing ? this.idle.pop() : undefined;
    if (pooled === undefined) return undefined;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - pooled.idleSinceMs > this.options.validateAfterIdleMs) {
      void this.supply.validate(pooled);
      return undefined;
    }
    this.mark(pooled, nowMs);
    return pooled;
  }

  /** Queues a waiter; it is told when a connection is his, or why none will be. */
  wait(waiter: Waiter): void {
    const { admission, clock, supply } = this;
    if (this.isClosing) waiter.refused(new ShutdownError(`The pool of "${this.node}" is closed.`));
    else if (admission.enter(waiter, supply.coming, clock.monotonicMs())) supply.grow();
  }

  /** Takes a waiter out of the queue; no-op when it is not in. */
  abandon(waiter: Waiter): void {
    this.admission.queue.remove(waiter);
  }

  /** The error for a waiter whose time is up; counts it. */
  timeoutError(waitedMs: number): PoolTimeoutError {
    const mend = 'The pool is suspended: resume() lets callers go on.';
    return this.control.isSuspended
      ? this.admission.timeoutError(waitedMs, undefined, mend)
      : this.admission.timeoutError(waitedMs, this.supply.connector.lastError);
  }

  /** Gives a connection back; `reset` when its session may have been touched. */
  give(pooled: PooledConnection, reset = false): void {
    this.takeBack(pooled, reset, pooled.takenAtMs);
  }

  /**
   * Who takes the connection of somebody whose COMMIT is under way: the next one who waits, when he begins a transaction.
   * His BEGIN travels with that COMMIT then, and the server goes on without a round trip in between.
   */
  successor(pooled: PooledConnection): Waiter | undefined {
    const nowMs = this.clock.monotonicMs();
    const mayPassOn = this.control.mayPassOn(pooled, nowMs);
    const waiter = mayPassOn ? this.admission.next(nowMs, mayFollow) : undefined;
    if (waiter === undefined) return undefined;
    this.counters.used(nowMs - pooled.takenAtMs);
    this.mark(pooled, nowMs);
    return waiter;
  }

  /** Takes back what was not used by one caller alone: it says nothing of how long a use takes. */
  accept(pooled: PooledConnection): void {
    this.takeBack(pooled, false, undefined);
  }

  /** Takes a new connection in: for who waits, or for who comes next. */
  add(pooled: PooledConnection): void {
    const nowMs = this.clock.monotonicMs();
    if (this.connections.size === 0 && this.isServing) this.admission.restart(nowMs);
    this.connections.add(pooled);
    this.counters.opened++;
    pooled.connection.onClosed = (reason) => this.discard(pooled, reason);
    this.offer(pooled, nowMs);
    this.control.opened();
    this.grow();
  }

  /** Closes a connection that nobody has, or that nobody may have any more; its place is free at once. */
  discard(pooled: PooledConnection, reason: string): void {
    const at = this.idle.indexOf(pooled);
    if (at >= 0) this.idle.splice(at, 1);
    if (!this.connections.delete(pooled)) return;
    this.counters.closed++;
    const { backendPid } = pooled.connection;
    this.parts.events.emit('connection:closed', { node: this.node, backendPid, reason });
    if (pooled.connection.transactionStatus === 'idle') sayGoodbye(pooled.connection);
    else pooled.connection.destroy();
    this.control.gone(pooled);
    if (this.connections.size === 0) {
      this.admission.pause();
      for (const callback of [...this.onEmpty]) callback();
    }
    this.grow();
  }

  /** Sheds those who have waited too long, also when nobody comes and nothing comes back. */
  look(): void {
    for (const queue of [this.admission, this.lane]) queue.look(this.clock.monotonicMs());
  }

  /** Opens what is missing. */
  grow(): void {
    this.supply.grow();
  }

  /** The node does not answer its probe: remembers what each connection has received by now. */
  suspect(): void {
    for (const pooled of this.connections) pooled.suspect();
  }

  /** The node does not answer a new connection either: those that received nothing since are dead. */
  sever(): void {
    for (const pooled of [...this.connections]) pooled.sever();
  }

  /** Calls back when the last connection has gone. Returns what takes that back. */
  onceEmpty(callback: () => void): () => void {
    this.onEmpty.add(callback);
    return () => void this.onEmpty.delete(callback);
  }

  stats(): PoolStats {
    return snapshotOf(this, this.counters, this.supply.connector);
  }

  /**
   * Refuses whoever waits, gives those who hold a connection `closeTimeoutMs`, then cancels, then cuts.
   * Concurrent calls share one promise. Never rejects, never pends.
   */
  close(): Promise<void> {
    return (this.closing ??= this.shutDown());
  }

  private mark(pooled: PooledConnection, nowMs: number): void {
    pooled.takenAtMs = nowMs;
    this.counters.acquired++;
  }

  /** `usedSinceMs` where one caller alone had it: his use lasts until it is clean, for who waits waits for that too. */
  private takeBack(
    pooled: PooledConnection,
    reset: boolean,
    usedSinceMs: number | undefined,
  ): void {
    const { isUsable, transactionStatus } = pooled.connection;
    if (isUsable && pooled.isEnding)
      pooled.afterEnding(() => this.takeBack(pooled, reset, usedSinceMs));
    else if (isUsable && (reset || transactionStatus !== 'idle'))
      void this.clean(pooled, reset, usedSinceMs);
    else {
      this.countUse(usedSinceMs);
      if (isUsable) this.receive(pooled);
      else this.discard(pooled, 'it was lost');
    }
  }

  /** A clean connection that nobody has: handed on, kept or closed. */
  private receive(pooled: PooledConnection): void {
    const nowMs = this.clock.monotonicMs();
    const isOver = this.isClosing || nowMs >= pooled.expiresAtMs;
    const reason = isOver ? 'its time is up' : this.control.verdictOn(pooled);
    if (reason === undefined) this.offer(pooled, nowMs);
    else this.discard(pooled, reason);
  }

  private offer(pooled: PooledConnection, nowMs: number): void {
    const { admission, isServing } = this;
    const waiter = isServing ? admission.next(nowMs) : admission.queue.shiftNested();
    if (waiter !== undefined) {
      this.mark(pooled, nowMs);
      waiter.granted(pooled);
    } else if (isServing) {
      pooled.idleSinceMs = nowMs;
      this.idle.push(pooled);
    } else this.discard(pooled, REASONS.suspended);
  }

  private async clean(
    pooled: PooledConnection,
    reset: boolean,
    usedSinceMs: number | undefined,
  ): Promise<void> {
    const failure = await clean(pooled, reset);
    if (failure === undefined) this.takeBack(pooled, false, usedSinceMs);
    else {
      this.countUse(usedSinceMs);
      this.discard(pooled, failure);
    }
  }

  private countUse(sinceMs: number | undefined): void {
    if (sinceMs !== undefined) this.counters.used(this.clock.monotonicMs() - sinceMs);
  }

  private async shutDown(): Promise<void> {
    const startedAtMs = this.clock.monotonicMs();
    this.isClosing = true;
    this.isServing = false;
    const connected = this.supply.stop();
    await this.keeper.stop();
    const closes = new ShutdownError(`The pool of "${this.node}" closes.`);
    this.admission.close(closes);
    this.lane.close(closes);
    this.control.stop(closes);
    for (const pooled of [...this.idle]) this.discard(pooled, 'the pool closes');
    const closing = await drain(this, this.options.closeTimeoutMs);
    await connected;
    const tookMs = this.clock.monotonicMs() - startedAtMs;
    this.parts.events.emit('pool:closed', { node: this.node, tookMs, ...closing });
  }
}
