// How long it takes to open a connection, by node.
import type { Events } from '../kernel/events.js';
import { BucketCounts, DURATION_BOUNDS } from './histogram.js';
import type { BucketFigures } from './histogram.js';

/** Nodes that get buckets of their own; the ones beyond are left out. */
const MAX_NODES = 32;

/** Listens to `connection:opened` from `start` to `stop`. */
export class ConnectionMetrics {
  private readonly nodes = new Map<string, BucketCounts>();
  private deafen: (() => void) | undefined;

  constructor(private readonly events: Events) {}

  start(): void {
    this.deafen ??= this.events.on('connection:opened', ({ node, tookMs }) => {
      const known = this.nodes.get(node);
      if (known !== undefined) known.record(tookMs / 1_000);
      else if (this.nodes.size < MAX_NODES) {
        const fresh = new BucketCounts(DURATION_BOUNDS);
        fresh.record(tookMs / 1_000);
        this.nodes.set(node, fresh);
      }
    });
  }

  stop(): void {
    this.deafen?.();
    this.deafen = undefined;
  }

  /** In seconds. */
  createTimes(): Array<{ readonly node: string; readonly buckets: BucketFigures }> {
    return Array.from(this.nodes, ([node, counts]) => ({ node, buckets: counts.figures() }));
  }
}
