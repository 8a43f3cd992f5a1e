// One handler: notifications and gaps in their order, one at a time, in a queue that is bounded.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type {
  DatabaseNotification,
  NotificationGap,
  NotificationHandler,
  Subscription,
} from './notification.js';

/** What a subscription is made of. */
export interface SubscriptionParts {
  readonly channel: string;
  readonly handler: NotificationHandler;
  readonly onGap: ((gap: NotificationGap) => void | Promise<void>) | undefined;
  readonly maxQueued: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  readonly events: Events;
  /** Takes it out of its channel. */
  readonly closed: (subscription: ChannelSubscription) => Promise<void>;
}

type Item = { readonly notification: DatabaseNotification } | { readonly gap: NotificationGap };

/** A handler on a channel. */
export class ChannelSubscription implements Subscription {
  /** True from the acknowledgement of the server on, reconnects included. */
  wasAcknowledged = false;
  /** True while the line stands. */
  hasLine = false;
  private readonly queue: Item[] = [];
  private delivering: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private isOver = false;
  private isDelivering = false;

  private readonly onAbort = (): void => void this.close();

  constructor(private readonly parts: SubscriptionParts) {
    parts.signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  get channel(): string {
    return this.parts.channel;
  }

  get isListening(): boolean {
    return this.hasLine && !this.isOver;
  }

  close(): Promise<void> {
    this.end();
    return (this.closing ??= this.parts.closed(this));
  }

  /** No further call begins; what waits is dropped. */
  end(): void {
    this.isOver = true;
    this.parts.signal?.removeEventListener('abort', this.onAbort);
    this.queue.length = 0;
  }

  /** Resolves when the call of the handler that is under way has ended. */
  async idle(): Promise<void> {
    while (this.delivering !== undefined) await this.delivering;
  }

  /** A notification came. */
  offer(notification: DatabaseNotification): void {
    if (this.isOver) return;
    if (this.queue.length >= this.parts.maxQueued) this.drop();
    else this.queue.push({ notification });
    this.deliver();
  }

  /** Notifications may be missing here. Gaps without anything in between become one. */
  report(gap: Omit<NotificationGap, 'channel'>): void {
    if (this.isOver) return;
    const last = this.queue.at(-1);
    const before = last !== undefined && 'gap' in last ? last.gap : undefined;
    const whole = {
      channel: this.channel,
      fromMs: before?.fromMs ?? gap.fromMs,
      toMs: gap.toMs,
      downMs: gap.downMs + (before?.downMs ?? 0),
      dropped: gap.dropped + (before?.dropped ?? 0),
    };
    if (before !== undefined) this.queue.pop();
    this.queue.push({ gap: whole });
    this.deliver();
  }

  private drop(): void {
    const { clock, events, maxQueued, channel } = this.parts;
    const last = this.queue.at(-1);
    if (last !== undefined && !('gap' in last)) {
      events.emit('notification:dropped', { channel, queued: maxQueued });
    }
    const nowMs = clock.nowMs();
    this.report({ fromMs: nowMs, toMs: nowMs, downMs: 0, dropped: 1 });
  }

  /** As far as it goes without waiting: thousands of notifications may come in one piece, and fill the queue. */
  private deliver(): void {
    if (this.isDelivering) return;
    this.isDelivering = true;
    for (let item = this.queue.shift(); item !== undefined; item = this.queue.shift()) {
      const pending = this.call(item);
      if (pending === undefined) continue;
      this.delivering = pending.then(() => {
        this.isDelivering = false;
        this.delivering = undefined;
        this.deliver();
      });
      return;
    }
    this.isDelivering = false;
  }

  private call(item: Item): Promise<void> | undefined {
    const { handler, onGap } = this.parts;
    try {
      const done = 'gap' in item ? onGap?.(item.gap) : handler(item.notification);
      // Whatever can be awaited: a promise of another library, or of another realm, is one too.
      if (typeof done?.then !== 'function') return undefined;
      return Promise.resolve(done).catch((error: unknown) => this.failed(error));
    } catch (error) {
      this.failed(error);
      return undefined;
    }
  }

  private failed(error: unknown): void {
    this.parts.events.emit('notification:failed', { channel: this.channel, error });
  }
}
