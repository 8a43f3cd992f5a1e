// The bounded end of a pool: first it waits, then it cancels, then it cuts.
import type { Clock } from '../kernel/clock.js';
import { ShutdownError } from '../kernel/errors.js';
import type { PooledConnection } from './pooled-connection.js';

/** The pool as its end sees it. */
export interface ClosingPool {
  readonly clock: Clock;
  readonly connections: ReadonlySet<PooledConnection>;
  discard(pooled: PooledConnection, reason: string): void;
  /** Calls back when the last connection has gone. Returns what takes that back. */
  onceEmpty(callback: () => void): () => void;
}

/** How it ended. */
export interface Closing {
  /** Connections whose statement was cancelled. */
  readonly cancelled: number;
  /** Connections that were cut. */
  readonly destroyed: number;
}

/** Time that cancelled statements have to end, in ms. */
const CANCEL_TIMEOUT_MS = 2_000;

function isEmptyWithin(pool: ClosingPool, timeoutMs: number): Promise<boolean> {
  if (pool.connections.size === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (isEmpty: boolean): void => {
      timer.cancel();
      forget();
      resolve(isEmpty);
    };
    const timer = pool.clock.schedule(() => settle(false), timeoutMs, { keepsProcess: true });
    const forget = pool.onceEmpty(() => settle(true));
  });
}

/** Gives those who hold a connection `timeoutMs`, then ends what they run. Never rejects. */
export async function drain(pool: ClosingPool, timeoutMs: number): Promise<Closing> {
  if (await isEmptyWithin(pool, timeoutMs)) return { cancelled: 0, destroyed: 0 };
  const cancelled = pool.connections.size;
  const error = new ShutdownError('The query was cancelled: the pool closed over it.', {});
  for (const pooled of pool.connections) pooled.abort(error);
  await isEmptyWithin(pool, CANCEL_TIMEOUT_MS);
  const rest = [...pool.connections];
  for (const pooled of rest) {
    pooled.connection.destroy();
    pool.discard(pooled, 'it was still in use when the pool closed');
  }
  return { cancelled, destroyed: rest.length };
}
