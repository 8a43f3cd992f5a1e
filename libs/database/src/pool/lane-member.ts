// A connection that fast reads share: sends them one behind the other, and knows which of them holds the others up.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError, QueryAbortedError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import { SkippedError } from '../driver/driver.js';
import type { Trip } from '../query/trip.js';
import { STRIKE_MS } from './fingerprint.js';
import type { Fingerprint, RoundTrip } from './fingerprint.js';
import { Batch, LaneSlot } from './lane-slot.js';
import type { PooledConnection, Sharer } from './pooled-connection.js';
import type { StallLimit } from './stall-limit.js';

/** The lane as its members see it. */
export interface MemberHome {
  readonly clock: Clock;
  /** Longest time of a statement, in ms. */
  readonly statementTimeoutMs: number;
  readonly roundTrip: RoundTrip;
  readonly stallLimit: StallLimit;
  /** As many reads were answered together. */
  batched(reads: number): void;
  /** The connection was lost under a trip. */
  lost(trip: Trip): void;
  /** Another one of its batch has failed. */
  skipped(trip: Trip, slot: LaneSlot, member: LaneMember): void;
  /** A trip may be what holds others up. */
  suspected(trip: Trip, fingerprint: Fingerprint): void;
  /** A trip waits behind a read that takes too long. */
  rescued(trip: Trip, slot: LaneSlot): void;
  /** One was answered: somebody else may come, or the connection is free. */
  moved(member: LaneMember): void;
}

const NO_PREFACE: readonly string[] = Object.freeze([]);
/** Time a CancelRequest may take, and then the statement to end, in ms. */
const CANCEL_TIMEOUT_MS = 1_000;
/** Reads that leave in one turn, up to which each is answered by itself: with so few, each would wait for the others. */
const FEW = 4;
/** Reads under way at a time, whatever they take: more where the network is slow. */
const IN_FLIGHT = { base: 16, perMs: 16, max: 64 };
/** Reads under way at a time while they usually take less than `workMs` in all, for which one comes to wait behind them. */
const QUICK = { max: 256, workMs: 2 };
/** Reads that are answered together: with more of them a caller waits longer, and the server gains little. */
const BATCH = 8;

/** What reads share; borrowed from the pool for as long as there are any. */
export class LaneMember implements Sharer {
  /** Reads under way, those that nobody waits for included. */
  size = 0;
  /** Time that they usually take in all, in ms. */
  private workMs = 0;
  /** False once it takes no more. */
  isOpen = true;
  /** True once those behind the first one were sent again elsewhere: nobody waits for what is left. */
  private isStalled = false;
  /** Since when the pool misses it, monotonic, in ms. */
  borrowedAtMs = 0;
  private head: LaneSlot | undefined;
  private tail: LaneSlot | undefined;
  private answeredAtMs = 0;
  /** Those that leave at the end of this turn. */
  private readonly leaving: Array<LaneSlot | undefined> = [];
  /** The first one, when it took too long at the last look. */
  private suspect: LaneSlot | undefined;
  /** The one that the others were rescued from, until it is answered. */
  private culprit: LaneSlot | undefined;
  private cancelling: Promise<void> | undefined;
  /** The one that was cancelled last, and when. */
  private cancelled: LaneSlot | undefined;
  private cancelledAtMs = 0;

  constructor(
    readonly pooled: PooledConnection,
    private readonly home: MemberHome,
  ) {}

  /** True while a CancelRequest may still hit whatever runs. */
  get isCancelling(): boolean {
    return this.cancelling !== undefined;
  }

  /** The pool has lent the connection. */
  begin(nowMs: number): void {
    this.isOpen = true;
    this.isStalled = false;
    this.borrowedAtMs = nowMs;
  }

  /** True when its first read took too long at the last look, and may be slow. */
  get isSuspect(): boolean {
    return this.suspect !== undefined && this.suspect === this.head;
  }

  /** Whether the connection may answer: a standby has no answer that only the primary may give. */
  mayAnswer(needsPrimary: boolean): boolean {
    return !needsPrimary || this.pooled.connection.isStandby !== true;
  }

  /** Whether there is room for another read. */
  get hasRoom(): boolean {
    const { size, workMs } = this;
    if (size < QUICK.max && workMs < QUICK.workMs) return true;
    const { base, perMs, max } = IN_FLIGHT;
    return size < Math.min(max, Math.round(base + this.home.roundTrip.ms * perMs));
  }

  /** What its first reads usually take, in ms. */
  get usualMs(): number {
    const { head } = this;
    return head === undefined ? 0 : head.fingerprint.usualMs * (head.batch?.size ?? 1);
  }

  send(trip: Trip, fingerprint: Fingerprint, from?: LaneSlot): void {
    const { clock, statementTimeoutMs } = this.home;
    const nowMs = clock.monotonicMs();
    const slot = new LaneSlot(this, trip, fingerprint, nowMs, from);
    this.size++;
    this.workMs += slot.usualMs;
    trip.isSent = true;
    const hasOwnLimit = trip.request.timeoutMs !== undefined;
    trip.begin(slot, nowMs, hasOwnLimit ? Number.POSITIVE_INFINITY : nowMs + statementTimeoutMs);
    // After all promises that the last answers have settled: what their callers ask next goes along.
    if (this.leaving.push(slot) === 1) process.nextTick(this.depart);
  }

  /** The server has answered the first one, or the connection is lost. */
  replied(slot: LaneSlot, error: DatabaseError | undefined, result: unknown): void {
    const nowMs = this.home.clock.monotonicMs();
    const { trip } = slot;
    const beganAtMs = Math.max(slot.sentAtMs, this.answeredAtMs);
    const wasAlone = this.size === 1 && beganAtMs === slot.sentAtMs;
    this.unlink(slot);
    if (this.isStalled) this.explain(slot, error, nowMs);
    else if (error === undefined) this.measure(slot, nowMs, wasAlone);
    else if (!(error instanceof SkippedError)) slot.fingerprint.failed();
    slot.fingerprint.gave(result);
    this.answeredAtMs = nowMs;
    if (!this.pooled.connection.isUsable) this.isOpen = false;
    if (trip !== undefined) {
      trip.serverMs = nowMs - slot.sentAtMs;
      trip.leave();
    }
    const isSkipped = error instanceof SkippedError;
    // Before the connection is free: the pool may have none for it, being full or about to close.
    if (isSkipped && trip !== undefined) this.home.skipped(trip, slot, this);
    // Those of a batch are answered one behind the other: with the last one there is room for as many.
    if (slot.next?.batch !== slot.batch || slot.batch === undefined) this.home.moved(this);
    if (isSkipped || trip === undefined) return;
    // It only reads, and the connection was lost under all of them at once: that is one failure, not one for each.
    if (error instanceof ConnectionError) this.home.lost(trip);
    else trip.settle(error, result);
  }

  timedOut(slot: LaneSlot, trip: Trip): void {
    const error = trip.timeoutError(this.home.clock.monotonicMs());
    this.drop(slot);
    trip.settle(error, undefined);
  }

  /** Nobody waits for the answer any more; the server is stopped when it takes long. */
  drop(slot: LaneSlot): void {
    if (slot.trip !== undefined) slot.trip.serverMs = this.home.clock.monotonicMs() - slot.sentAtMs;
    slot.trip = undefined;
  }

  /**
   * Looks whether the first one takes longer than `limitMs`. Two looks in a row have to see the same: after the event loop
   * was blocked, answers may be there that nobody has read. True when it has stalled just now.
   */
  look(nowMs: number, limitMs: number): boolean {
    const { head } = this;
    if (head === undefined) return false;
    const tookMs = nowMs - Math.max(head.sentAtMs, this.answeredAtMs);
    if (tookMs <= limitMs) {
      this.suspect = undefined;
      return false;
    }
    if (this.isStalled) {
      // Of those behind a stalled one nobody waits, so a request that comes late harms nobody.
      if (head.trip === undefined && tookMs > Math.max(2 * limitMs, STRIKE_MS))
        this.stop(head, nowMs);
      return false;
    }
    const isStalled = this.suspect === head;
    this.suspect = head;
    return isStalled;
  }

  /**
   * The first one goes on alone; those behind it are sent again elsewhere. Of a batch nobody knows which one it is: each
   * is sent again alone, and tells by what it takes.
   */
  rescue(): void {
    const { head } = this;
    if (head === undefined) return;
    this.isOpen = false;
    this.isStalled = true;
    this.suspect = undefined;
    const isBatch = (head.batch?.size ?? 1) > 1;
    if (!isBatch) {
      this.culprit = head;
      head.fingerprint.stalled();
    }
    for (let slot = isBatch ? head : head.next; slot !== undefined; slot = slot.next) {
      const { trip, fingerprint, batch } = slot;
      const isSuspect = isBatch && batch === head.batch;
      if (isSuspect) fingerprint.suspected();
      slot.trip = undefined;
      trip?.leave();
      if (trip === undefined) continue;
      if (isSuspect) this.home.suspected(trip, fingerprint);
      else this.home.rescued(trip, slot);
    }
  }

  /** Ends all of them with this error, on the server too. */
  abort(error: DatabaseError): void {
    if (this.size === 0) return;
    this.isOpen = false;
    this.isStalled = true;
    for (let slot = this.head; slot !== undefined; slot = slot.next) slot.abort(error);
    for (const slot of this.leaving) slot?.abort(error);
    if (this.head !== undefined) this.stop(this.head, this.home.clock.monotonicMs());
  }

  /** Out of turn goes what was refused before it was sent: a value that cannot be, say. */
  private unlink(slot: LaneSlot): void {
    let before: LaneSlot | undefined;
    if (this.head === slot) this.head = slot.next;
    else {
      before = this.head;
      while (before !== undefined && before.next !== slot) before = before.next;
      if (before !== undefined) before.next = slot.next;
    }
    if (this.tail === slot) this.tail = before;
    this.size--;
    // What is left when nothing is under way are errors of rounding.
    this.workMs = this.size === 0 ? 0 : this.workMs - slot.usualMs;
  }

  /**
   * Sends what was given in this turn: in batches when that is much, for then the server works less for each. A batch is of
   * one shape, so that a slow shape holds up no other one.
   */
  private readonly depart = (): void => {
    const { leaving } = this;
    const most = leaving.length > FEW ? BATCH : 1;
    const nowMs = this.home.clock.monotonicMs();
    for (const slot of leaving) if (slot !== undefined) slot.sentAtMs = nowMs;
    for (let at = 0; at < leaving.length; at++) {
      const slot = leaving[at];
      if (slot !== undefined)
        this.sendBatch(slot.fingerprint, at, slot.fingerprint.isQuick ? most : 1);
    }
    leaving.length = 0;
  };

  /** Sends those of a shape that leave, from `at` on, up to `most` of them. */
  private sendBatch(fingerprint: Fingerprint, at: number, most: number): void {
    const { leaving } = this;
    const batch = new Batch();
    for (let next = at; next < leaving.length && batch.size < most; next++) {
      const slot = leaving[next];
      if (slot?.fingerprint !== fingerprint) continue;
      leaving[next] = undefined;
      batch.size++;
      slot.batch = batch;
      this.link(slot);
      this.pooled.connection.execute(slot.statement, slot, NO_PREFACE, 'batch');
    }
    this.pooled.connection.endBatch();
  }

  private link(slot: LaneSlot): void {
    if (this.tail === undefined) this.head = slot;
    else this.tail.next = slot;
    this.tail = slot;
  }

  /** What came from a connection whose reads were sent again elsewhere tells which of them is slow. */
  private explain(slot: LaneSlot, error: DatabaseError | undefined, nowMs: number): void {
    const tookMs = this.tookOf(slot, nowMs);
    if (this.culprit === slot) {
      this.culprit = undefined;
      slot.fingerprint.recovered(tookMs, nowMs);
    } else if (error instanceof QueryAbortedError) slot.fingerprint.heldUp(tookMs, nowMs);
  }

  /** What the batch took, which is answered all at once, in ms. */
  private tookOf({ batch, sentAtMs }: LaneSlot, nowMs: number): number {
    const tookMs = batch?.tookMs ?? nowMs - Math.max(sentAtMs, this.answeredAtMs);
    if (batch !== undefined) batch.tookMs = tookMs;
    return tookMs;
  }

  private measure(slot: LaneSlot, nowMs: number, wasAlone: boolean): void {
    const { roundTrip, stallLimit } = this.home;
    if (wasAlone) roundTrip.took(nowMs - slot.sentAtMs);
    const { batch } = slot;
    if (batch === undefined) return;
    if (batch.tookMs === undefined) {
      const began = Math.max(slot.sentAtMs + roundTrip.ms, this.answeredAtMs);
      batch.tookMs = Math.max(0, nowMs - began);
      stallLimit.took(batch.tookMs);
      if (batch.size > 1) this.home.batched(batch.size);
    }
    slot.fingerprint.ranShared(batch.tookMs / batch.size, nowMs);
  }

  /** Ends what nobody waits for; a server that does not let go in time is dead or unreachable. */
  private stop(head: LaneSlot, nowMs: number): void {
    if (this.cancelled !== head) {
      this.cancelled = head;
      this.cancelledAtMs = nowMs;
      this.cancelling ??= this.sendCancel().finally(() => {
        this.cancelling = undefined;
        this.home.moved(this);
      });
    } else if (nowMs - this.cancelledAtMs > CANCEL_TIMEOUT_MS) this.pooled.connection.destroy();
  }

  private async sendCancel(): Promise<void> {
    const { connection } = this.pooled;
    // One that is still on its way would hit whoever has the connection next.
    if (!(await connection.cancel(CANCEL_TIMEOUT_MS))) connection.destroy();
  }
}
