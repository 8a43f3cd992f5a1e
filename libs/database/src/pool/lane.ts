// Fast reads share a few connections: many travel in one write and come back in one read, each with its own outcome.
import type { Clock, Timer } from '../kernel/clock.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Trip } from '../query/trip.js';
import type { Admission } from './admission.js';
import { Fingerprints, RoundTrip } from './fingerprint.js';
import type { Fingerprint } from './fingerprint.js';
import { LaneMember } from './lane-member.js';
import type { MemberHome } from './lane-member.js';
import type { LaneSlot } from './lane-slot.js';
import type { PoolOptions } from './pool.options.js';
import { hasLargeValues } from './large-values.js';
import { LaneWaiter, Recruit } from './lane-queue.js';
import type { LaneStats } from './pool-stats.js';
import type { PooledConnection } from './pooled-connection.js';
import { SharedConnections } from './shared-connections.js';
import type { Sharing } from './shared-connections.js';
import { limitOf, StallLimit } from './stall-limit.js';
import type { Waiter } from './wait-queue.js';

/** The pool as its lane sees it. */
export interface LanePool {
  readonly options: PoolOptions;
  /** False while new work waits. */
  readonly isServing: boolean;
  take(): PooledConnection | undefined;
  wait(waiter: Waiter): void;
  abandon(waiter: Waiter): void;
  /** Takes a connection back. */
  accept(pooled: PooledConnection): void;
  timeoutError(waitedMs: number): DatabaseError;
}

/** What a lane works with. */
export interface LaneParts {
  readonly pool: LanePool;
  /** False where a statement may meet another backend than the one before it. */
  readonly keepsBackend: () => boolean;
  /** What the last probe of the server took; undefined when it is not known. */
  readonly latencyMs: () => number | undefined;
  readonly clock: Clock;
  /** The queue of those who wait for a place in the lane, with its rules. */
  readonly admission: Admission;
}

/** Sends a trip on a connection of its own. */
export interface Rescuer {
  alone(trip: Trip): void;
}

/** Time between two looks for those that take too long, in ms. */
const LOOK_MS = 1;
/** A connection returns to the pool after this time, however busy it is, in ms: others wait, and it ages. */
const HOLD_MS = 1_000;
/** Connections of the pool for each that is shared. */
const POOL_SHARE = 4;

/**
 * Chooses a shared connection for each read that is known to be harmless and fast, rescues those that wait behind a slow one,
 * and learns who is fast. Bounded: a few connections, a queue with the limits of the pool's, 16,384 shapes.
 */
export class Lane implements MemberHome, Sharing {
  readonly roundTrip: RoundTrip;
  /** How long the first read of a connection may take beyond the round trip before those behind it are rescued. */
  readonly stallLimit = new StallLimit();
  private readonly fingerprints: Fingerprints;
  private readonly shared: SharedConnections;
  private recruit: Recruit | undefined;
  private rescuer: Rescuer | undefined;
  private timer: Timer | undefined;
  private sentCount = 0;
  private batchedCount = 0;
  private rescuedCount = 0;
  private stallCount = 0;
  private repeatedCount = 0;

  constructor(private readonly parts: LaneParts) {
    this.roundTrip = new RoundTrip(parts.latencyMs);
    this.fingerprints = new Fingerprints(this.roundTrip);
    this.shared = new SharedConnections(this);
  }

  get clock(): Clock {
    return this.parts.clock;
  }

  get statementTimeoutMs(): number {
    return this.parts.pool.options.statementTimeoutMs;
  }

  /** Most connections that may be shared now. */
  get max(): number {
    const { lane, max } = this.parts.pool.options;
    return lane === false ? 0 : Math.min(lane, Math.floor(max / POOL_SHARE));
  }

  /** True while it waits for a connection, in the queue of the pool. */
  get isWaiting(): boolean {
    return this.recruit !== undefined;
  }

  /** Reads under way and waiting. */
  get load(): number {
    return this.parts.admission.queue.size + this.shared.load;
  }

  stats(): LaneStats {
    const { all } = this.shared;
    return {
      max: this.max,
      connections: all.length,
      inFlight: all.reduce((sum, { size }) => sum + size, 0),
      waiting: this.parts.admission.queue.size,
      sent: this.sentCount,
      batched: this.batchedCount,
      stalls: this.stallCount,
      rescued: this.rescuedCount,
      repeated: this.repeatedCount,
    };
  }

  /** Takes the trip, unless it is better off on a connection of its own; then it is measured there. */
  takes(trip: Trip, shape: string, rescuer: Rescuer): boolean {
    if (this.max === 0 || !this.parts.keepsBackend()) return false;
    const nowMs = this.clock.monotonicMs();
    const fingerprint = this.fingerprints.of(shape);
    if (
      !this.parts.pool.isServing ||
      !fingerprint.mayShare(nowMs) ||
      hasLargeValues(trip.statement)
    ) {
      trip.fingerprint = fingerprint;
      return false;
    }
    this.rescuer ??= rescuer;
    const member = this.shared.pick(trip.needsPrimary);
    if (member === undefined) this.wait(trip, fingerprint, nowMs);
    else this.send(trip, fingerprint, member);
    return true;
  }

  /** @internal */
  take(): PooledConnection | undefined {
    return this.parts.pool.take();
  }

  /** @internal */
  accept(pooled: PooledConnection): void {
    this.parts.pool.accept(pooled);
  }

  /** @internal */
  memberOf(pooled: PooledConnection): LaneMember {
    const member = (pooled.sharer as LaneMember | undefined) ?? new LaneMember(pooled, this);
    pooled.sharer = member;
    return member;
  }

  /** @internal */
  began(nowMs: number): void {
    this.parts.admission.restart(nowMs);
  }

  /** @internal */
  ended(): void {
    this.parts.admission.pause();
    if (this.parts.admission.queue.size > 0) this.enlist();
  }

  /** @internal */
  batched(reads: number): void {
    this.batchedCount += reads;
  }

  /** @internal The trip only reads, so it may run elsewhere. */
  lost(trip: Trip): void {
    this.repeatedCount++;
    this.rescuer?.alone(trip);
  }

  /** @internal Once it may run again where it was, so that it waits for no connection; then on one of its own. */
  skipped(trip: Trip, slot: LaneSlot, member: LaneMember): void {
    this.repeatedCount++;
    if (slot.from === undefined) this.sendTo(member, trip, slot.fingerprint, slot);
    else this.rescuer?.alone(trip);
  }

  /**
   * @internal Once it may go to another shared connection, which knows the statement and is warm; then to one of its own,
   * so that it waits behind no second one.
   */
  rescued(trip: Trip, slot: LaneSlot): void {
    this.rescuedCount++;
    const isFirst = slot.from === undefined;
    const member = isFirst ? this.shared.pick(trip.needsPrimary, 'unsuspected') : undefined;
    if (member === undefined) this.rescuer?.alone(trip);
    else this.sendTo(member, trip, slot.fingerprint, slot);
  }

  /** @internal It runs alone, to show whether it is fast after all. */
  suspected(trip: Trip, fingerprint: Fingerprint): void {
    this.rescuedCount++;
    trip.fingerprint = fingerprint;
    this.rescuer?.alone(trip);
  }

  /** @internal */
  moved(member: LaneMember): void {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - member.borrowedAtMs > HOLD_MS) member.isOpen = false;
    if (!member.isOpen) this.shared.retire(member);
    if (member.isOpen) this.serve(member, nowMs);
    if (member.size === 0 && !member.isCancelling) this.shared.release(member);
  }

  /** @internal The pool has lent a connection. */
  joined(pooled: PooledConnection): void {
    this.recruit = undefined;
    const nowMs = this.clock.monotonicMs();
    const member = this.shared.add(pooled);
    this.serve(member, nowMs);
    if (member.size === 0) this.shared.release(member);
  }

  /** @internal There will be no connection: unless some are shared already, nobody who waits is served. */
  lacks(error: DatabaseError): void {
    this.recruit = undefined;
    if (this.shared.count === 0) this.parts.admission.refuseAll(error);
  }

  /** @internal Somebody's turn has come. */
  send(trip: Trip, fingerprint: Fingerprint, member: LaneMember): void {
    this.sentCount++;
    this.sendTo(member, trip, fingerprint);
    this.watch();
  }

  /** @internal Somebody waits no more. */
  left(waiter: LaneWaiter): void {
    const { admission, pool } = this.parts;
    admission.queue.remove(waiter);
    if (admission.queue.size > 0 || this.recruit === undefined) return;
    pool.abandon(this.recruit);
    this.recruit = undefined;
  }

  /** @internal */
  timeoutError(waitedMs: number): DatabaseError {
    return this.parts.pool.timeoutError(waitedMs);
  }

  /** Sends away those who have waited too long. */
  look(nowMs: number): void {
    this.parts.admission.look(nowMs);
  }

  /** Refuses those who wait; what is under way ends with its connections. */
  close(error: DatabaseError): void {
    this.parts.admission.close(error);
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** Those whose turn it is, as far as there is room. */
  private serve(member: LaneMember, nowMs: number): void {
    while (member.hasRoom) {
      const waiter = this.parts.admission.next(nowMs);
      if (waiter === undefined) break;
      waiter.granted(member.pooled);
    }
  }

  private sendTo(member: LaneMember, trip: Trip, fingerprint: Fingerprint, from?: LaneSlot): void {
    if (member.mayAnswer(trip.needsPrimary)) member.send(trip, fingerprint, from);
    else {
      if (member.size === 0) this.shared.release(member);
      this.rescuer?.alone(trip);
    }
  }

  private wait(trip: Trip, fingerprint: Fingerprint, nowMs: number): void {
    const { admission, pool } = this.parts;
    const waiter = new LaneWaiter(this, trip, fingerprint);
    trip.begin(waiter, nowMs, nowMs + pool.options.acquireTimeoutMs);
    // When all are full somebody is served soon; a connection is only missing while there is none.
    if (admission.enter(waiter, 0, nowMs) && this.shared.count === 0) this.enlist();
  }

  private enlist(): void {
    if (this.recruit !== undefined) return;
    const recruit = new Recruit(this);
    this.recruit = recruit;
    this.parts.pool.wait(recruit);
  }

  /** Looks for reads that hold others up, for as long as any are under way. */
  private watch(): void {
    this.timer ??= this.clock.schedule(this.rescue, LOOK_MS);
  }

  private readonly rescue = (): void => {
    this.timer = undefined;
    // Where all others are done the machine is not busy, and what its first reads usually take is all there is to wait for.
    const last = this.shared.lastBusy;
    const stallMs = last === undefined ? this.stallLimit.ms : limitOf(last.usualMs);
    this.rescueBehind(stallMs);
    // After what has come meanwhile was read: the process may have stood still.
    if (last?.isSuspect === true) this.clock.afterInput(() => this.rescueBehind(stallMs));
    if (this.shared.all.length > 0) this.watch();
  };

  private rescueBehind(stallMs: number): void {
    const nowMs = this.clock.monotonicMs();
    const limitMs = stallMs + this.roundTrip.ms;
    for (const member of this.shared.all) {
      if (!member.look(nowMs, limitMs)) continue;
      this.stallCount++;
      this.shared.retire(member);
      member.rescue();
    }
  }
}
