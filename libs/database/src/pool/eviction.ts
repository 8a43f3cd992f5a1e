// Takes connections out of a pool whose server is not who it was taken for.
import type { Connection } from '../driver/driver.js';
import type { Pool } from './pool.js';

/** Which connections go, and when. */
export interface Eviction {
  readonly reason: string;
  /** Whether those in use are cut, so that what runs on them fails; else they go when they come back. */
  readonly cutsLeased: boolean;
  /** @default all of them */
  readonly unwanted?: (connection: Connection) => boolean;
}

/** Closes the unwanted connections, and returns their number. */
export function evict(pool: Pool, { reason, cutsLeased, unwanted }: Eviction): number {
  let evicted = 0;
  for (const pooled of [...pool.connections]) {
    if (unwanted?.(pooled.connection) === false) continue;
    evicted++;
    if (pool.idleConnections.includes(pooled)) pool.discard(pooled, reason);
    else if (cutsLeased) pooled.connection.destroy();
    else pooled.expiresAtMs = 0;
  }
  return evicted;
}
