// The callback of a transaction under way: ends by itself, at its deadline or with its caller.
import type { DatabaseError } from '../kernel/errors.js';
import { QueryAbortedError, QueryTimeoutError } from '../kernel/errors.js';
import { WheelEntry } from '../kernel/timer-wheel.js';
import type { TimerWheel } from '../kernel/timer-wheel.js';

/** What bounds a callback. */
export interface CallbackLimit {
  readonly wheel: TimerWheel;
  /** Monotonic, in ms. */
  readonly deadlineAtMs: number;
  /** Time until then, in ms. */
  readonly leftMs: number;
  readonly signal: AbortSignal | undefined;
  /** Ends the statement that runs now; what runs at the deadline ends by its own. */
  readonly stop: (error: DatabaseError) => void;
}

/** Tells once how it ended: what comes later is told to nobody. */
class BoundedCallback<T> extends WheelEntry {
  constructor(
    private readonly limit: CallbackLimit,
    private readonly resolve: (result: T) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    super();
  }

  run(work: () => Promise<T>): void {
    const { wheel, deadlineAtMs, leftMs, signal } = this.limit;
    // During BEGIN, perhaps: an event that has passed is not heard.
    if (signal?.aborted === true) this.aborted();
    else if (leftMs <= 0) this.due();
    else {
      wheel.arm(this, deadlineAtMs);
      signal?.addEventListener('abort', this.aborted, { once: true });
      this.begin(work);
    }
  }

  override due(): void {
    this.over();
    this.reject(new QueryTimeoutError(this.limit.leftMs));
  }

  private begin(work: () => Promise<T>): void {
    try {
      // A callback without types may give what is no promise.
      Promise.resolve(work()).then(this.succeeded, this.failed);
    } catch (error) {
      this.failed(error);
    }
  }

  private readonly succeeded = (result: T): void => {
    this.over();
    this.resolve(result);
  };

  private readonly failed = (error: unknown): void => {
    this.over();
    this.reject(error);
  };

  private readonly aborted = (): void => {
    const cause: unknown = this.limit.signal?.reason;
    const message = 'The transaction was aborted and rolled back.';
    const error = new QueryAbortedError(message, { cause });
    this.over();
    this.limit.stop(error);
    this.reject(error);
  };

  /** Before the outcome is told: a signal that is heard after it would stop the COMMIT. */
  private over(): void {
    this.limit.wheel.disarm(this);
    this.limit.signal?.removeEventListener('abort', this.aborted);
  }
}

/** Rejects at the deadline or when the signal is aborted, whether `work` ends or not. */
export function withDeadline<T>(limit: CallbackLimit, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => new BoundedCallback(limit, resolve, reject).run(work));
}
