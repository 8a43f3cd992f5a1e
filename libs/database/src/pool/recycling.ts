// Replaces all connections of a pool, a few at a time, under the feet of those who use it.
import type { Clock } from '../kernel/clock.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { Admission } from './admission.js';
import type { PoolOptions } from './pool.options.js';
import type { PooledConnection } from './pooled-connection.js';

/** The pool as its recycling sees it. */
export interface RecycledPool {
  readonly clock: Clock;
  readonly options: PoolOptions;
  readonly connections: ReadonlySet<PooledConnection>;
  readonly idleConnections: readonly PooledConnection[];
  readonly admission: Pick<Admission, 'stillInUse'>;
  discard(pooled: PooledConnection, reason: string): void;
}

const REASON = 'it is replaced';
const MEND = 'Connections that were not replaced yet will be when they come back.';

interface Call {
  readonly resolve: () => void;
  readonly reject: (error: DatabaseError) => void;
}

/**
 * Closes a connection only while fewer than `maxConnecting`, and no more than half of the pool, are missing: when the
 * new ones cannot be opened, the old ones go on.
 */
export class Recycling {
  /** Connections that were closed and have yet to be opened again. */
  missing = 0;
  private readonly stale = new Set<PooledConnection>();
  private readonly calls = new Set<Call>();
  /** Undefined while nothing is to be replaced. */
  private startedAtMs: number | undefined;
  private replaced = 0;

  constructor(
    private readonly pool: RecycledPool,
    private readonly ended: (replaced: number, tookMs: number) => void,
  ) {}

  /** Resolves when every connection that is open now has gone. Calls at the same time end together. */
  run(timeoutMs: number): Promise<void> {
    const { clock, connections } = this.pool;
    if (this.startedAtMs === undefined) this.replaced = 0;
    this.startedAtMs ??= clock.monotonicMs();
    for (const pooled of connections) this.stale.add(pooled);
    const ended = new Promise<void>((resolve, reject) => {
      const settle = (settled: () => void): void => {
        timer.cancel();
        this.calls.delete(call);
        settled();
      };
      const call: Call = {
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      };
      const timedOut = (): void => call.reject(this.pool.admission.stillInUse(timeoutMs, MEND));
      const timer = clock.schedule(timedOut, timeoutMs, { keepsProcess: true });
      this.calls.add(call);
    });
    this.replaceIdle();
    this.endIfDone();
    return ended;
  }

  /** Whether it is to be closed, now or later. */
  wants(pooled: PooledConnection): boolean {
    return this.stale.size > 0 && this.stale.has(pooled);
  }

  /** A connection came back: true when it has to be closed now. */
  takes(pooled: PooledConnection): boolean {
    if (!this.wants(pooled) || !this.mayClose) return false;
    this.missing++;
    return true;
  }

  /** A connection was closed, for whatever reason. */
  gone(pooled: PooledConnection): void {
    if (!this.stale.delete(pooled)) return;
    this.replaced++;
    this.endIfDone();
  }

  /** A connection was opened. */
  opened(): void {
    if (this.missing > 0) this.missing--;
    this.replaceIdle();
  }

  /** No more are missing than fit into the pool: it has another size, or is suspended. */
  fitInto(room: number): void {
    this.missing = Math.max(0, Math.min(this.missing, room));
    this.replaceIdle();
  }

  /** Nothing is replaced any more. */
  stop(error: DatabaseError): void {
    this.stale.clear();
    this.startedAtMs = undefined;
    this.missing = 0;
    for (const call of [...this.calls]) call.reject(error);
  }

  private get mayClose(): boolean {
    const { connections, options } = this.pool;
    const half = (connections.size + this.missing) / 2;
    return this.missing < Math.max(1, Math.min(options.maxConnecting, half));
  }

  private replaceIdle(): void {
    while (this.stale.size > 0 && this.mayClose) {
      const pooled = this.pool.idleConnections.find((idle) => this.stale.has(idle));
      if (pooled === undefined) return;
      this.missing++;
      this.pool.discard(pooled, REASON);
    }
  }

  private endIfDone(): void {
    const { startedAtMs } = this;
    if (this.stale.size > 0 || startedAtMs === undefined) return;
    this.startedAtMs = undefined;
    this.ended(this.replaced, this.pool.clock.monotonicMs() - startedAtMs);
    for (const call of [...this.calls]) call.resolve();
  }
}
