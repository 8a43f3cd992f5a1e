// What one session was asked and has not answered yet, the oldest first.
import type { Exchange } from './exchange.js';

/** Those that share one Sync end together: the server sends nothing before the last of them has run. */
export class ExchangeQueue {
  private head: Exchange | undefined;
  private tail: Exchange | undefined;
  /** The one that the server answers now. */
  private answering: Exchange | undefined;

  /** The one that the next message belongs to. */
  get current(): Exchange | undefined {
    return this.answering;
  }

  push(exchange: Exchange): void {
    if (this.tail === undefined) this.head = exchange;
    else this.tail.next = exchange;
    this.tail = exchange;
    this.answering ??= exchange;
  }

  /** The current one has run to its end; without a Sync of its own, the next message belongs to the one behind it. */
  advance(): void {
    const { answering } = this;
    if (answering?.isJoined === true) this.answering = answering.next;
  }

  /** The server is ready: takes all that shared the Sync, the oldest first. */
  takeSynced(): Exchange[] {
    const synced: Exchange[] = [];
    for (let exchange = this.head; exchange !== undefined; exchange = exchange.next) {
      synced.push(exchange);
      if (!exchange.isJoined) break;
    }
    this.head = this.answering = synced.at(-1)?.next;
    if (this.head === undefined) this.tail = undefined;
    return synced;
  }

  /** Takes everything. */
  drain(): Exchange[] {
    const left: Exchange[] = [];
    for (let exchange = this.head; exchange !== undefined; exchange = exchange.next) {
      left.push(exchange);
    }
    this.head = this.tail = this.answering = undefined;
    return left;
  }
}
