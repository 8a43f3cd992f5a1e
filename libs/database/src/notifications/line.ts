// The one connection that notifications come on: asked whether it lives, for it may be silent for hours.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError, UsageError } from '../kernel/errors.js';
import { ReadOnlyError } from '../kernel/query-errors.js';
import { Ticker } from '../kernel/ticker.js';
import type { Connection } from '../driver/driver.js';
import { ask } from '../routing/ask.js';
import { findPooling, fetchPid } from '../routing/pooling.js';
import type { PoolingSearch } from '../routing/pooling.js';
import { quoteChannel } from './channel-name.js';
import type { ListenerOptions } from './listen.options.js';
import type { DatabaseNotification } from './notification.js';

/** A server to listen on. */
export interface ListenPlace {
  /** Name of the node. */
  readonly node: string;
  connect(): Promise<Connection>;
  /** It refused LISTEN as read-only: it is no primary. */
  refused(): void;
}

/** Whom a line tells. */
export interface LineEars {
  notified(notification: DatabaseNotification): void;
  /** Called once, not after {@link Line.close}. */
  lost(line: Line, error: ConnectionError): void;
}

/** What a line works with. */
export interface LineParts {
  readonly place: ListenPlace;
  readonly clock: Clock;
  readonly options: ListenerOptions;
  readonly ears: LineEars;
}

/** What `pg` tells of a notification. */
interface RawNotification {
  readonly channel: string;
  readonly payload?: string;
  readonly processId: number;
}

const END_TIMEOUT_MS = 1_000;

const SHARED =
  'Notifications do not come through a pooler that shares backends between transactions: LISTEN would be heard by ' +
  'whoever gets the backend next. Give the address of the server itself as listen: { url }.';

/** An open line. Statements on it run one after the other. */
export class Line {
  /** Channels that the server has acknowledged. */
  readonly channels = new Set<string>();
  /** Monotonic time of the last sign of life, in ms: what was sent before it has arrived. */
  heardAtMs: number;
  private readonly heartbeat: Ticker;
  private last: Promise<unknown> = Promise.resolve();
  private isClosed = false;

  private constructor(
    private readonly connection: Connection,
    private readonly backendPid: number,
    private readonly parts: LineParts,
  ) {
    const { clock, options, ears } = parts;
    this.heardAtMs = clock.monotonicMs();
    connection.listen('notification', ({ channel, payload, processId }: RawNotification) => {
      this.heardAtMs = clock.monotonicMs();
      ears.notified({ channel, payload: payload ?? '', backendPid: processId });
    });
    connection.onClosed = (reason) => this.ended(reason);
    this.heartbeat = new Ticker({
      clock,
      everyMs: options.heartbeatIntervalMs,
      run: () => this.beat(),
      // The connection is gone by then, and its end was told.
      failed: (error) => this.giveUp(String(error)),
    });
  }

  /**
   * Opens a line that notifications do arrive on.
   * @throws UsageError behind a pooler that shares backends; else why it cannot be opened.
   */
  static async open(parts: LineParts): Promise<Line> {
    const { place, clock, options } = parts;
    const connection = await place.connect();
    const connect = (): Promise<Connection> => place.connect();
    const search: PoolingSearch = { connect, clock, timeoutMs: options.heartbeatTimeoutMs };
    try {
      const pid = await fetchPid(connection, search);
      if ((await findPooling(connection, pid, search)) === 'transaction') {
        throw new UsageError(SHARED);
      }
      // What came to an end meanwhile had nobody to tell.
      if (!connection.isUsable) throw new ConnectionError('The connection was lost at once.');
      const line = new Line(connection, pid, parts);
      line.heartbeat.start();
      return line;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  get node(): string {
    return this.parts.place.node;
  }

  /**
   * Listens to more channels and to fewer, at one moment. `done` is called before any notification that follows.
   * @throws what the server, or the network, has against it.
   */
  async change(more: readonly string[], fewer: readonly string[], done: () => void): Promise<void> {
    // At once: whoever subscribes from now on waits for a LISTEN of his own.
    for (const channel of fewer) this.channels.delete(channel);
    const text = [
      ...more.map((channel) => `LISTEN ${quoteChannel(channel)}`),
      ...fewer.map((channel) => `UNLISTEN ${quoteChannel(channel)}`),
    ].join('; ');
    const received = (): void => {
      this.heardAtMs = this.parts.clock.monotonicMs();
      for (const channel of more) this.channels.add(channel);
      done();
    };
    try {
      await this.inTurn(() => ask(this.connection, text, this.limits, received));
    } catch (error) {
      if (error instanceof ReadOnlyError) this.parts.place.refused();
      throw error;
    }
  }

  /** Says goodbye, within a second. Idempotent. */
  async close(): Promise<void> {
    this.isClosed = true;
    // Both at once: a heartbeat under way ends with its connection.
    await Promise.all([this.connection.end(END_TIMEOUT_MS), this.heartbeat.stop()]);
  }

  private get limits(): { readonly clock: Clock; readonly timeoutMs: number } {
    const { clock, options } = this.parts;
    return { clock, timeoutMs: options.heartbeatTimeoutMs };
  }

  /** The answer also tells whether a pooler has moved us to a backend that does not listen. */
  private async beat(): Promise<void> {
    const askedAtMs = this.parts.clock.monotonicMs();
    const pid = await this.inTurn(() => fetchPid(this.connection, this.limits));
    if (pid !== this.backendPid) this.giveUp(SHARED);
    else this.heardAtMs = Math.max(this.heardAtMs, askedAtMs);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work, work);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private giveUp(reason: string): void {
    this.ended(reason);
    this.connection.destroy();
  }

  private ended(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    void this.heartbeat.stop();
    const message = `The line of notifications was lost: ${reason}.`;
    this.parts.ears.lost(this, new ConnectionError(message, { outage: true }));
  }
}
