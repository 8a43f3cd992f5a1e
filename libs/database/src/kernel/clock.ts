// The port to time, and the only file that touches the real clock and timers.
import { performance } from 'node:perf_hooks';

/** A pending call. */
export interface Timer {
  cancel(): void;
}

/** How a call is scheduled. */
export interface ScheduleOptions {
  /**
   * Whether the pending call keeps the process alive. Background work never does; a caller who
   * awaits the outcome needs it, for an idle process would end under his promise.
   * @default false
   */
  readonly keepsProcess?: boolean;
}

/** Time as the library sees it; tests pass a fake one. */
export interface Clock {
  /** Wall time in ms since 1970, for timestamps. */
  nowMs(): number;
  /** Monotonic time in ms, for durations. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. */
  schedule(run: () => void, delayMs: number, options?: ScheduleOptions): Timer;
  /** Calls `run` once, as soon as all that has come in until now was read. Keeps the process until then. */
  afterInput(run: () => void): void;
  /** Resolves after `delayMs`; rejects with the signal's reason when it is aborted. Keeps the process. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

function schedule(run: () => void, delayMs: number, options: ScheduleOptions = {}): Timer {
  // Node 24 warns of a time that is over.
  const timer = setTimeout(run, Math.max(0, delayMs));
  if (options.keepsProcess !== true) timer.unref();
  return { cancel: () => clearTimeout(timer) };
}

function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = schedule(
      () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      },
      delayMs,
      { keepsProcess: true },
    );
    if (signal?.aborted === true) aborted();
    else signal?.addEventListener('abort', aborted, { once: true });
  });
}

/** The real clock. */
export const systemClock: Clock = Object.freeze({
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule,
  afterInput: (run: () => void) => void setImmediate(run),
  sleep,
});
