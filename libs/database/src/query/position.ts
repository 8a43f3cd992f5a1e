// A place in the write-ahead log: what a read after a write has to see.

/** A position in the history of one cluster. */
export interface WalPosition {
  /** Identifies the cluster: the same on a primary and all its replicas. */
  readonly systemId: string;
  /** Counts promotions: positions of two timelines cannot be compared. */
  readonly timeline: number;
  /** Bytes since the cluster's birth. */
  readonly lsn: bigint;
}

/** What a read has to see. `primary`: the position is not known, so that only the primary surely has it. */
export type Freshness = WalPosition | 'primary';

/** What satisfies both. */
export function both(a: Freshness | undefined, b: Freshness | undefined): Freshness | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a === 'primary' || b === 'primary') return 'primary';
  if (a.systemId !== b.systemId || a.timeline !== b.timeline) return 'primary';
  return a.lsn >= b.lsn ? a : b;
}
