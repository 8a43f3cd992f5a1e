// Opens a pool's connections: a few at a time, with a growing pause after failures.
import type { Clock, Timer } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { Connection } from '../driver/driver.js';
import type { PoolOptions } from './pool.options.js';

/** What a connector works with. */
export interface ConnectorParts {
  readonly node: string;
  readonly options: PoolOptions;
  readonly clock: Clock;
  readonly events: Events;
  readonly connect: () => Promise<Connection>;
}

/** Whom it tells. */
export interface ConnectorEars {
  opened(connection: Connection): void;
  failed(error: ConnectionError): void;
}

const PAUSE_MS = { initial: 100, max: 1_000 };

function lostAtOnce(): ConnectionError {
  const message = 'The server closed the connection as soon as it was open.';
  return new ConnectionError(message, { safeToRetry: true, outage: true });
}

/** Opens connections and counts failures. */
export class Connector {
  connecting = 0;
  /** Failures from the start of the process. */
  failures = 0;
  /** Why the last attempt failed; undefined after a success. */
  lastError: ConnectionError | undefined;
  private failuresInARow = 0;
  private pause: Timer | undefined;
  private isStopped = false;
  private readonly attempts = new Set<Promise<void>>();

  constructor(
    private readonly parts: ConnectorParts,
    private readonly ears: ConnectorEars,
  ) {}

  /** Begins to open `wanted` connections, as far as `maxConnecting` allows. */
  open(wanted: number): void {
    const room = this.parts.options.maxConnecting - this.connecting;
    for (let n = Math.min(wanted, room); n > 0; n--) {
      const attempt = this.openOne();
      this.attempts.add(attempt);
      void attempt.then(() => this.attempts.delete(attempt));
    }
  }

  /** Calls back after a pause that grows with the failures in a row; one pause at a time. */
  retryLater(retry: () => void): void {
    if (this.isStopped || this.pause !== undefined) return;
    const grownMs = PAUSE_MS.initial * 2 ** Math.min(this.failuresInARow, 10);
    const delayMs = Math.min(PAUSE_MS.max, grownMs) * (0.5 + Math.random() * 0.5);
    this.pause = this.parts.clock.schedule(() => {
      this.pause = undefined;
      retry();
    }, delayMs);
  }

  /** No pause is left behind; resolves when the attempts under way have ended, within their `connectTimeoutMs`. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.pause?.cancel();
    await Promise.all(this.attempts);
  }

  private async openOne(): Promise<void> {
    const { node, clock, events } = this.parts;
    const startedAtMs = clock.monotonicMs();
    this.connecting++;
    let connection: Connection;
    try {
      connection = await this.parts.connect();
      // Before anybody listened for its end: it would rest in the pool for ever.
      if (!connection.isUsable) throw lostAtOnce();
    } catch (error) {
      this.connecting--;
      this.failures++;
      this.failuresInARow++;
      this.lastError = error as ConnectionError;
      events.emit('connection:failed', { node, error: this.lastError });
      this.ears.failed(this.lastError);
      return;
    }
    this.connecting--;
    this.failuresInARow = 0;
    this.lastError = undefined;
    const tookMs = clock.monotonicMs() - startedAtMs;
    events.emit('connection:opened', { node, backendPid: connection.backendPid, tookMs });
    this.ears.opened(connection);
  }
}
