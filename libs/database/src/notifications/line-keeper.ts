// Keeps a line that listens to the wanted channels: opened when one is wanted, closed when none is, opened anew when lost.
import type { Clock, Timer } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import { backoffMs } from '../resilience/backoff.js';
import type { Backoff } from '../resilience/backoff.js';
import { Line } from './line.js';
import type { ListenPlace } from './line.js';
import type { ListenerOptions } from './listen.options.js';
import type { DatabaseNotification } from './notification.js';

/** Whom a keeper tells. */
export interface KeeperEars {
  notified(notification: DatabaseNotification): void;
  /** The server listens to these channels. Before that it was not heard for `downMs`; 0 when it was. */
  listening(channels: ReadonlySet<string>, downMs: number): void;
  /** Nothing is heard from now on. */
  deaf(): void;
  /** An attempt failed. The next one follows by itself. */
  failed(error: DatabaseError): void;
}

/** What a keeper works with. */
export interface KeeperParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly options: ListenerOptions;
  /** Where to listen now; undefined while no primary is known. */
  readonly locate: () => ListenPlace | undefined;
  /** The channels to listen to, now. */
  readonly wanted: () => readonly string[];
  readonly ears: KeeperEars;
}

/** Pauses between attempts; spread, for all processes lose their lines at the same moment. */
const PAUSES: Backoff = { initialDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.5 };

/** Where the line was when it was lost. */
interface Loss {
  readonly node: string;
  /** Monotonic time of its last sign of life, in ms. */
  readonly heardAtMs: number;
}

/** The line, through its losses. */
export class LineKeeper {
  private line: Line | undefined;
  private loss: Loss | undefined;
  private working: Promise<void> | undefined;
  private isWantedAgain = false;
  private failures = 0;
  private pause: Timer | undefined;
  private isStopped = false;

  constructor(private readonly parts: KeeperParts) {}

  /** True when the server is known to listen to the channel. */
  hears(channel: string): boolean {
    return this.line?.channels.has(channel) ?? false;
  }

  /** What is wanted has changed. During a pause after a failure that is seen to by itself, later. */
  wake(): void {
    if (this.isStopped) return;
    if (this.parts.wanted().length === 0) this.endPause();
    else if (this.pause !== undefined) return;
    if (this.working !== undefined) this.isWantedAgain = true;
    else this.working = this.work();
  }

  /** The primary is another node now: a line to the old one, if it stands at all, is deaf. */
  follow(): void {
    const place = this.parts.locate();
    if (place === undefined || this.parts.wanted().length === 0) return;
    const { line } = this;
    if (line !== undefined && line.node !== place.node) {
      this.giveUp(line, new ConnectionError(`"${line.node}" is not the primary any more.`));
    }
    this.endPause();
    this.failures = 0;
    this.wake();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.working !== undefined) await this.working;
  }

  /** Closes the line for good. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.endPause();
    // First the line: a statement under way would be waited for. Then the one that was being opened.
    await this.closeLine();
    await this.idle();
    await this.closeLine();
  }

  private async work(): Promise<void> {
    do {
      this.isWantedAgain = false;
      try {
        await this.reconcile();
        this.failures = 0;
      } catch (error) {
        this.failed(error as DatabaseError);
      }
    } while (this.isWantedAgain && this.pause === undefined && !this.isStopped);
    this.working = undefined;
    if (this.line === undefined) this.tryLater();
  }

  private async reconcile(): Promise<void> {
    if (this.parts.wanted().length === 0) {
      await this.closeLine();
      return;
    }
    const line = this.line ?? (await this.open());
    const wanted = this.parts.wanted();
    const more = wanted.filter((channel) => !line.channels.has(channel));
    const fewer = [...line.channels].filter((channel) => !wanted.includes(channel));
    if (more.length + fewer.length === 0) return;
    try {
      await line.change(more, fewer, () => this.listening(line));
    } catch (error) {
      this.giveUp(line, error as DatabaseError);
      throw error;
    }
  }

  private async open(): Promise<Line> {
    const { clock, options, locate, ears } = this.parts;
    const place = locate();
    if (place === undefined) throw new ConnectionError('No primary is known to listen on.');
    this.line = await Line.open({
      place,
      clock,
      options,
      ears: {
        notified: (notification) => ears.notified(notification),
        lost: (line, error) => this.lost(line, error),
      },
    });
    return this.line;
  }

  private listening({ channels, node }: Line): void {
    const { clock, events, ears } = this.parts;
    const { loss } = this;
    this.loss = undefined;
    const downMs = loss === undefined ? 0 : clock.monotonicMs() - loss.heardAtMs;
    ears.listening(channels, downMs);
    if (loss === undefined) return;
    events.emit('notifications:restored', { node, downMs, channels: channels.size });
  }

  /** Tells a loss only of what was there: a line that never listened is a failed attempt. */
  private lost(line: Line, error: DatabaseError): void {
    if (this.line !== line) return;
    const { ears, events } = this.parts;
    this.line = undefined;
    ears.deaf();
    if (line.channels.size > 0 && this.loss === undefined) {
      this.loss = { node: line.node, heardAtMs: line.heardAtMs };
      events.emit('notifications:lost', { node: line.node, error });
    }
    if (this.working === undefined) this.tryLater();
  }

  private giveUp(line: Line, error: DatabaseError): void {
    this.lost(line, error);
    void line.close();
  }

  private failed(error: DatabaseError): void {
    const { ears, events } = this.parts;
    const attempt = ++this.failures;
    ears.failed(error);
    if (this.loss !== undefined) {
      const { node } = this.loss;
      events.emit('notifications:reconnect-failed', { node, attempt, error });
    }
    this.tryLater();
  }

  private tryLater(): void {
    const isNeeded = !this.isStopped && this.parts.wanted().length > 0;
    if (!isNeeded || this.pause !== undefined) return;
    const delayMs = backoffMs(PAUSES, Math.max(1, this.failures));
    this.pause = this.parts.clock.schedule(() => {
      this.pause = undefined;
      this.wake();
    }, delayMs);
  }

  private endPause(): void {
    this.pause?.cancel();
    this.pause = undefined;
  }

  private async closeLine(): Promise<void> {
    const { line } = this;
    this.line = undefined;
    this.loss = undefined;
    await line?.close();
  }
}
