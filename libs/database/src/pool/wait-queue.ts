// Those who wait for a connection: by urgency, then first come, first served; O(1) at both ends and in the middle.
import type { DatabaseError } from '../kernel/errors.js';
import type { Priority } from '../query/query.js';
import type { Holding } from '../query/trip.js';
import type { PooledConnection } from './pooled-connection.js';

/** Somebody who waits for a connection; told exactly once how it ended. */
export abstract class Waiter {
  /** @internal */ next: Waiter | undefined;
  /** @internal */ previous: Waiter | undefined;
  /** @internal The rank he stands in. */ rank: Rank | undefined;
  /** Monotonic time since which he waits, in ms. */
  queuedAtMs = 0;
  /** True when his code holds another connection of the same pool: he goes first, for others wait for that one. */
  isNested = false;
  /** True when he takes a connection whose last COMMIT is still under way: a transaction of his own is all he begins. */
  mayFollow = false;

  constructor(
    readonly priority: Priority = 'normal',
    /** Connections that his code holds meanwhile. */
    readonly holding: Holding | undefined = undefined,
  ) {}

  abstract granted(connection: PooledConnection): void;
  abstract refused(error: DatabaseError): void;
}

/** Whether the next one in the queue takes a connection whose last COMMIT is under way. */
export const mayFollow = (waiter: Waiter): boolean => waiter.mayFollow;

/** A doubly linked list of waiters; allocates nothing. */
class Rank {
  head: Waiter | undefined;
  tail: Waiter | undefined;
  count = 0;
  /** Grants to others in a row while somebody waited here. */
  passedOver = 0;

  push(waiter: Waiter): void {
    waiter.previous = this.tail;
    if (this.tail === undefined) this.head = waiter;
    else this.tail.next = waiter;
    this.tail = waiter;
    waiter.rank = this;
    this.count++;
  }

  remove(waiter: Waiter): void {
    if (waiter.previous === undefined) this.head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.next = waiter.previous = waiter.rank = undefined;
    this.count--;
    if (this.count === 0) this.passedOver = 0;
  }
}

/** Grants that may pass over a rank; the next one is its own, so that nobody waits for ever. */
const MAX_PASSED_OVER = 8;

/** Four ranks: those who hold a connection already, then by priority. */
export class WaitQueue {
  private readonly nested = new Rank();
  private readonly high = new Rank();
  private readonly normal = new Rank();
  private readonly low = new Rank();
  /** The most urgent one first. */
  private readonly ranks: readonly Rank[] = [this.nested, this.high, this.normal, this.low];
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Those who hold a connection of the pool while they wait. */
  get nestedSize(): number {
    return this.nested.count;
  }

  push(waiter: Waiter): void {
    this.rankOf(waiter).push(waiter);
    this.count++;
  }

  /**
   * The next one to be served: of the most urgent rank, or of one that was passed over often enough. Within a rank
   * the oldest one, or, `newestFirst`, the newest one of those who may be shed. When `isFit` says no to him, nobody is.
   */
  shift(newestFirst = false, isFit?: (waiter: Waiter) => boolean): Waiter | undefined {
    const chosen = this.chooseRank();
    if (chosen === undefined) return undefined;
    const takesNewest = newestFirst && (chosen === this.normal || chosen === this.low);
    const waiter = takesNewest ? chosen.tail : chosen.head;
    if (waiter === undefined || isFit?.(waiter) === false) return undefined;
    // Mostly all are of one rank, and nobody is passed over.
    if (chosen.count < this.count) {
      for (const rank of this.ranks) if (rank.count > 0) rank.passedOver++;
    }
    chosen.passedOver = 0;
    return this.taken(waiter);
  }

  /** The next one of those who hold a connection already. */
  shiftNested(): Waiter | undefined {
    return this.taken(this.nested.head);
  }

  /** Who came last of those who hold a connection already. */
  get newestNested(): Waiter | undefined {
    return this.nested.tail;
  }

  /** All of those, in the order of their arrival. */
  *eachNested(): Generator<Waiter> {
    for (let waiter = this.nested.head; waiter !== undefined; waiter = waiter.next) yield waiter;
  }

  /** The oldest one who may be shed. */
  oldest(priority: 'normal' | 'low'): Waiter | undefined {
    return this[priority].head;
  }

  /** Takes out the newest one who is less urgent than `waiter`, the least urgent rank first; undefined when nobody is. */
  evictFor(waiter: Waiter): Waiter | undefined {
    const own = this.ranks.indexOf(this.rankOf(waiter));
    for (let at = this.ranks.length - 1; at > own; at--) {
      const tail = this.ranks[at]?.tail;
      if (tail !== undefined) return this.taken(tail);
    }
    return undefined;
  }

  /** Takes a waiter out wherever he stands; no-op when he is not queued. */
  remove(waiter: Waiter): void {
    if (waiter.rank === undefined) return;
    waiter.rank.remove(waiter);
    this.count--;
  }

  private chooseRank(): Rank | undefined {
    if (this.count === 0) return undefined;
    if (this.normal.count === this.count) return this.normal;
    let chosen: Rank | undefined;
    for (const rank of this.ranks) {
      if (rank.count === 0) continue;
      if (chosen === undefined || rank.passedOver >= MAX_PASSED_OVER) chosen = rank;
    }
    return chosen;
  }

  private rankOf({ isNested, priority }: Waiter): Rank {
    return isNested ? this.nested : this[priority];
  }

  private taken(waiter: Waiter | undefined): Waiter | undefined {
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }
}
