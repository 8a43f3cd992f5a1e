// A connection that fast reads share: sends them one behind the other, and knows which of them holds the others up.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Reply } from '../driver/driver.js';
import type { Phase, Trip } from '../query/trip.js';
import type { Fingerprint, RoundTrip } from './fingerprint.js';
import type { PooledConnection, Sharer } from './pooled-connection.js';
import type { StallLimit } from './stall-limit.js';

/** The lane as its members see it. */
export interface MemberHome {
  readonly clock: Clock;
  /** Longest time of a statement, in ms. */
  readonly statementTimeoutMs: number;
  readonly roundTrip: RoundTrip;
  readonly stallLimit: StallLimit;
  /** The connection was lost under a trip. */
  lost(trip: Trip): void;
  /** A trip waits behind a read that takes too long. */
  rescued(trip: Trip, slot: LaneSlot): void;
  /** One was answered: somebody else may come, or the connection is free. */
  moved(member: LaneMember): void;
}

const NO_PREFACE: readonly string[] = Object.freeze([]);
/** Time a CancelRequest may take, and then the statement to end, in ms. */
const CANCEL_TIMEOUT_MS = 1_000;

/** One read on a shared connection. */
export class LaneSlot implements Reply, Phase {
  next: LaneSlot | undefined;

  constructor(
    private readonly member: LaneMember,
    /** Undefined once nobody waits for the answer any more. */
    public trip: Trip | undefined,
    readonly fingerprint: Fingerprint,
    readonly sentAtMs: number,
    /** Where it was rescued from. */
    readonly from: LaneSlot | undefined,
  ) {}

  replied(error: DatabaseError | undefined, result: unknown): void {
    this.member.replied(this, error, result);
  }

  due(trip: Trip): void {
    this.member.timedOut(this, trip);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    this.member.drop(this);
    trip.settle(error, undefined);
  }
}

/** What reads share; borrowed from the pool for as long as there are any. */
export class LaneMember implements Sharer {
  /** Reads under way, those that nobody waits for included. */
  size = 0;
  /** False once it takes no more. */
  isOpen = true;
  /** True once those behind the first one were sent again elsewhere: nobody waits for what is left. */
  private isStalled = false;
  /** Since when the pool misses it, monotonic, in ms. */
  borrowedAtMs = 0;
  private head: LaneSlot | undefined;
  private tail: LaneSlot | undefined;
  private answeredAtMs = 0;
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

  send(trip: Trip, fingerprint: Fingerprint, from?: LaneSlot): void {
    const { clock, statementTimeoutMs } = this.home;
    const nowMs = clock.monotonicMs();
    const slot = new LaneSlot(this, trip, fingerprint, nowMs, from);
    if (this.tail === undefined) this.head = slot;
    else this.tail.next = slot;
    this.tail = slot;
    this.size++;
    trip.isSent = true;
    const hasOwnLimit = trip.request.timeoutMs !== undefined;
    trip.begin(slot, nowMs, hasOwnLimit ? Number.POSITIVE_INFINITY : nowMs + statementTimeoutMs);
    this.pooled.connection.execute(trip.statement, slot, NO_PREFACE, true);
  }

  /** The server has answered the first one, or the connection is lost. */
  replied(slot: LaneSlot, error: DatabaseError | undefined, result: unknown): void {
    const nowMs = this.home.clock.monotonicMs();
    const { trip } = slot;
    const beganAtMs = Math.max(slot.sentAtMs, this.answeredAtMs);
    const wasAlone = this.size === 1 && beganAtMs === slot.sentAtMs;
    this.unlink(slot);
    if (this.culprit === slot) {
      this.culprit = undefined;
      slot.fingerprint.recovered(nowMs - beganAtMs, nowMs);
    } else if (error === undefined && !this.isStalled) this.measure(slot, nowMs, wasAlone);
    slot.fingerprint.gave(result);
    this.answeredAtMs = nowMs;
    if (!this.pooled.connection.isUsable) this.isOpen = false;
    this.home.moved(this);
    if (trip === undefined) return;
    trip.serverMs = nowMs - slot.sentAtMs;
    trip.leave();
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
      if (head.trip === undefined && tookMs > 2 * limitMs) this.stop(head, nowMs);
      return false;
    }
    const isStalled = this.suspect === head;
    this.suspect = head;
    return isStalled;
  }

  /** The first one goes on alone; those behind it are sent again elsewhere. */
  rescue(): void {
    const { head } = this;
    if (head === undefined) return;
    this.isOpen = false;
    this.isStalled = true;
    this.culprit = head;
    this.suspect = undefined;
    head.fingerprint.stalled();
    for (let slot = head.next; slot !== undefined; slot = slot.next) {
      const { trip } = slot;
      slot.trip = undefined;
      trip?.leave();
      if (trip !== undefined) this.home.rescued(trip, slot);
    }
  }

  /** Ends all of them with this error, on the server too. */
  abort(error: DatabaseError): void {
    if (this.size === 0) return;
    this.isOpen = false;
    this.isStalled = true;
    for (let slot = this.head; slot !== undefined; slot = slot.next) {
      const { trip } = slot;
      if (trip !== undefined) slot.interrupt(trip, error);
    }
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
  }

  private measure(slot: LaneSlot, nowMs: number, wasAlone: boolean): void {
    const { roundTrip } = this.home;
    if (wasAlone) roundTrip.took(nowMs - slot.sentAtMs);
    const began = Math.max(slot.sentAtMs + roundTrip.ms, this.answeredAtMs);
    const serviceMs = Math.max(0, nowMs - began);
    this.home.stallLimit.took(serviceMs);
    slot.fingerprint.ranShared(serviceMs, nowMs);
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
