// The fair queue before a pool: first come, first served, O(1) at both ends and in the middle.
import type { DatabaseError } from '../kernel/errors.js';
import type { PooledConnection } from './pooled-connection.js';

/** Somebody who waits for a connection; told exactly once how it ended. */
export abstract class Waiter {
  /** @internal */ next: Waiter | undefined;
  /** @internal */ previous: Waiter | undefined;
  /** @internal */ isQueued = false;

  abstract granted(connection: PooledConnection): void;
  abstract refused(error: DatabaseError): void;
}

/** A doubly linked list of waiters; allocates nothing. */
export class WaitQueue {
  private head: Waiter | undefined;
  private tail: Waiter | undefined;
  private count = 0;

  get size(): number {
    return this.count;
  }

  push(waiter: Waiter): void {
    waiter.previous = this.tail;
    if (this.tail === undefined) this.head = waiter;
    else this.tail.next = waiter;
    this.tail = waiter;
    waiter.isQueued = true;
    this.count++;
  }

  shift(): Waiter | undefined {
    const waiter = this.head;
    if (waiter !== undefined) this.remove(waiter);
    return waiter;
  }

  /** Takes a waiter out wherever it stands; no-op when it is not queued. */
  remove(waiter: Waiter): void {
    if (!waiter.isQueued) return;
    if (waiter.previous === undefined) this.head = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.tail = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.next = waiter.previous = undefined;
    waiter.isQueued = false;
    this.count--;
  }
}
