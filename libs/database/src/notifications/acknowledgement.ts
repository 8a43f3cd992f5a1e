// The wait of one `listen()` for its server: ended by the acknowledgement, a deadline, an abort or a final failure.
import type { Clock, Timer } from '../kernel/clock.js';
import { ConnectionError, QueryAbortedError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';

/** What a wait is made of. */
export interface AcknowledgementParts {
  readonly channel: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** A promise that settles in time. What comes after its end is ignored. */
export class Acknowledgement {
  readonly promise: Promise<void>;
  /** Why the last attempt failed: the reason when the time is up. */
  lastFailure: DatabaseError | undefined;
  private readonly timer: Timer;
  private readonly onAbort: () => void;
  private resolve: () => void = () => undefined;
  private reject: (error: DatabaseError) => void = () => undefined;

  constructor(private readonly parts: AcknowledgementParts) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    const { clock, timeoutMs, signal } = parts;
    this.timer = clock.schedule(() => this.refuse(this.late()), timeoutMs, { keepsProcess: true });
    this.onAbort = () => {
      const cause: unknown = signal?.reason;
      this.refuse(new QueryAbortedError('The caller aborted listen().', { cause }));
    };
    signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  give(): void {
    this.end();
    this.resolve();
  }

  refuse(error: DatabaseError): void {
    this.end();
    this.reject(error);
  }

  private end(): void {
    this.timer.cancel();
    this.parts.signal?.removeEventListener('abort', this.onAbort);
  }

  private late(): ConnectionError {
    const { channel, timeoutMs } = this.parts;
    const reason = this.lastFailure === undefined ? '' : ` ${this.lastFailure.message}`;
    return new ConnectionError(
      `LISTEN on ${JSON.stringify(channel)} was not acknowledged within ${timeoutMs} ms.${reason}`,
      { cause: this.lastFailure, safeToRetry: true },
    );
  }
}
