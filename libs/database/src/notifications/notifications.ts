// LISTEN for a whole instance: who listens to which channel, and who is told what.
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../kernel/clock.js';
import { ConnectionError, QueryAbortedError, ShutdownError, UsageError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import { Acknowledgement } from './acknowledgement.js';
import { requireChannelName } from './channel-name.js';
import { ChannelSubscription } from './channel-subscription.js';
import { LineKeeper } from './line-keeper.js';
import type { ListenPlace } from './line.js';
import type { ListenerOptions } from './listen.options.js';
import type {
  DatabaseNotification,
  ListenOptions,
  NotificationHandler,
  Subscription,
} from './notification.js';

/** What it works with. */
export interface NotificationsParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly options: ListenerOptions;
  /** Where to listen now; undefined while no primary is known. */
  readonly locate: () => ListenPlace | undefined;
  /** Runs a call outside of any transaction: a handler is called by the network, not by whoever subscribed. */
  readonly outside: <T>(run: () => T) => T;
  /** Longest wait for handlers when the instance closes, in ms. */
  readonly closeTimeoutMs: number;
}

/** @throws UsageError for what no `listen()` can do. */
function requireUsage(channel: unknown, handler: unknown, timeoutMs: unknown): void {
  requireChannelName(channel);
  if (typeof handler !== 'function') {
    throw new UsageError('listen() takes a function as its second argument: what to call.');
  }
  if (typeof timeoutMs === 'number' && timeoutMs > 0) return;
  throw new UsageError(`timeoutMs = ${JSON.stringify(timeoutMs)} must be a number of ms above 0.`);
}

/** All subscriptions of an instance. They share one line, which is there while there are any. */
export class Notifications {
  private readonly channels = new Map<string, Set<ChannelSubscription>>();
  private readonly waiting = new Map<ChannelSubscription, Acknowledgement>();
  private readonly keeper: LineKeeper;
  private readonly deafen: () => void;
  private isStopped = false;

  constructor(private readonly parts: NotificationsParts) {
    const { clock, events, options, locate } = parts;
    this.keeper = new LineKeeper({
      clock,
      events,
      options,
      locate,
      wanted: () => [...this.channels.keys()],
      ears: {
        notified: (notification) => this.notified(notification),
        listening: (channels, downMs) => this.listening(channels, downMs),
        deaf: () => this.deaf(),
        failed: (error) => this.failed(error),
      },
    });
    this.deafen = events.on('primary:changed', () => parts.outside(() => this.keeper.follow()));
  }

  /**
   * Calls `handler` for each notification of `channel`, from the moment the promise resolves.
   * @throws UsageError, QueryAbortedError, ShutdownError; ConnectionError when it is not acknowledged in time.
   */
  async listen(
    channel: string,
    handler: NotificationHandler,
    options: ListenOptions = {},
  ): Promise<Subscription> {
    const { clock, options: defaults } = this.parts;
    const { signal, timeoutMs = defaults.readyTimeoutMs } = options;
    requireUsage(channel, handler, timeoutMs);
    if (signal?.aborted === true) {
      const message = 'The AbortSignal was aborted before listen() began; nothing was sent.';
      throw new QueryAbortedError(message, { cause: signal.reason, safeToRetry: true });
    }
    if (this.isStopped) throw new ShutdownError('The database is closed: nothing to listen to.');
    const subscription = this.subscribe(channel, handler, options);
    const acknowledgement = new Acknowledgement({ channel, timeoutMs, clock, signal });
    this.waiting.set(subscription, acknowledgement);
    if (this.keeper.hears(channel)) this.acknowledge(subscription);
    else this.parts.outside(() => this.keeper.wake());
    try {
      await acknowledgement.promise;
    } catch (error) {
      void subscription.close();
      throw error;
    } finally {
      this.waiting.delete(subscription);
    }
    return subscription;
  }

  /** Ends all subscriptions; calls of handlers under way get `closeTimeoutMs` to end. Idempotent, never pends. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.deafen();
    const all = [...this.channels.values()].flatMap((subscriptions) => [...subscriptions]);
    this.channels.clear();
    for (const subscription of all) subscription.end();
    for (const acknowledgement of this.waiting.values()) {
      acknowledgement.refuse(new ShutdownError('The database closed before it listened.'));
    }
    await this.keeper.stop();
    await this.handlersEnd(all);
  }

  private subscribe(
    channel: string,
    handler: NotificationHandler,
    { onGap, signal }: ListenOptions,
  ): ChannelSubscription {
    const { clock, events, outside, options } = this.parts;
    // In the context of whoever subscribes (his logger, his request), less his transaction.
    const bound = <Fact>(call: (fact: Fact) => void | Promise<void>) =>
      AsyncResource.bind((fact: Fact) => outside(() => call(fact)));
    const subscription = new ChannelSubscription({
      channel,
      handler: bound(handler),
      onGap: onGap && bound(onGap),
      maxQueued: options.maxQueued,
      signal,
      clock,
      events,
      closed: (closed) => this.closed(closed),
    });
    const subscriptions = this.channels.get(channel) ?? new Set();
    this.channels.set(channel, subscriptions.add(subscription));
    return subscription;
  }

  private async closed(subscription: ChannelSubscription): Promise<void> {
    const subscriptions = this.channels.get(subscription.channel);
    subscriptions?.delete(subscription);
    if (subscriptions?.size !== 0) return;
    this.channels.delete(subscription.channel);
    this.parts.outside(() => this.keeper.wake());
    await this.keeper.idle();
  }

  private notified(notification: DatabaseNotification): void {
    // A copy: handlers subscribe, and unsubscribe.
    for (const subscription of [...(this.channels.get(notification.channel) ?? [])]) {
      if (subscription.hasLine) subscription.offer(notification);
    }
  }

  /** Whoever was cut off learns of his gap before anything new. */
  private listening(channels: ReadonlySet<string>, downMs: number): void {
    const toMs = this.parts.clock.nowMs();
    for (const channel of channels) {
      for (const subscription of this.channels.get(channel) ?? []) {
        if (subscription.hasLine) continue;
        const isCutOff = subscription.wasAcknowledged;
        this.acknowledge(subscription);
        // In whole ms, as wall time is told: never later than it was.
        const fromMs = Math.floor(toMs - downMs);
        if (isCutOff) subscription.report({ fromMs, toMs, downMs: toMs - fromMs, dropped: 0 });
      }
    }
  }

  private acknowledge(subscription: ChannelSubscription): void {
    subscription.wasAcknowledged = true;
    subscription.hasLine = true;
    this.waiting.get(subscription)?.give();
  }

  private deaf(): void {
    for (const subscriptions of this.channels.values()) {
      for (const subscription of subscriptions) subscription.hasLine = false;
    }
  }

  /** What will not change by asking again is told at once to those who wait for their first acknowledgement. */
  private failed(error: DatabaseError): void {
    const isFinal =
      error instanceof UsageError || (error instanceof ConnectionError && !error.transient);
    for (const acknowledgement of this.waiting.values()) {
      if (isFinal) acknowledgement.refuse(error);
      else acknowledgement.lastFailure = error;
    }
  }

  private async handlersEnd(subscriptions: readonly ChannelSubscription[]): Promise<void> {
    const { clock, closeTimeoutMs } = this.parts;
    await new Promise<void>((resolve) => {
      const timer = clock.schedule(resolve, closeTimeoutMs, { keepsProcess: true });
      void Promise.all(subscriptions.map((subscription) => subscription.idle())).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
