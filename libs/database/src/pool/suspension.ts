// A pool that lets new work wait: until a server was restarted, or another one has taken over.
import type { Clock } from '../kernel/clock.js';
import { UsageError } from '../kernel/errors.js';
import type { Admission } from './admission.js';

/** The pool as its suspension sees it. */
export interface SuspendedPool {
  readonly clock: Clock;
  readonly admission: Pick<Admission, 'stillInUse'>;
  readonly connections: ReadonlySet<unknown>;
  /** Lets new work wait, and closes connections as soon as nobody has them. */
  halt(): void;
  /** Lets work in again. */
  proceed(suspendedMs: number): void;
  /** Calls back when the last connection has gone. Returns what takes that back. */
  onceEmpty(callback: () => void): () => void;
}

/** Whether a pool is suspended, and who waits for it to be. */
export class Suspension {
  private sinceMs: number | undefined;
  private readonly onResume = new Set<() => void>();

  constructor(private readonly pool: SuspendedPool) {}

  get isOn(): boolean {
    return this.sinceMs !== undefined;
  }

  /**
   * Resolves when no connection is open. After `timeoutMs` the pool goes on as before: who could not suspend it
   * must not leave its callers waiting.
   */
  suspend(timeoutMs: number): Promise<void> {
    const { pool } = this;
    if (this.sinceMs === undefined) {
      this.sinceMs = pool.clock.monotonicMs();
      pool.halt();
    }
    if (pool.connections.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        timer.cancel();
        this.onResume.delete(resumed);
        forget();
        settled();
      };
      const timedOut = (): void => {
        const mend = 'The pool was resumed. Give suspend() more time.';
        const error = pool.admission.stillInUse(timeoutMs, mend);
        settle(() => reject(error));
        this.resume();
      };
      const message = 'resume() was called before the work under way had ended.';
      const resumed = (): void => settle(() => reject(new UsageError(message)));
      const timer = pool.clock.schedule(timedOut, timeoutMs, { keepsProcess: true });
      this.onResume.add(resumed);
      const forget = pool.onceEmpty(() => settle(resolve));
    });
  }

  /** No-op when the pool is not suspended. */
  resume(): void {
    if (this.sinceMs === undefined) return;
    const suspendedMs = this.pool.clock.monotonicMs() - this.sinceMs;
    this.sinceMs = undefined;
    for (const resumed of [...this.onResume]) resumed();
    this.pool.proceed(suspendedMs);
  }
}
