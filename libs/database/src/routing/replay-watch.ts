// Waits until a replica has replayed what a read has to see.
import type { Clock, Timer } from '../kernel/clock.js';
import type { WalPosition } from '../query/position.js';
import type { Node } from './node.js';
import type { Topology } from './topology.js';

/** Somebody who waits. */
export interface ReplayWaiter {
  readonly position: WalPosition;
  /** The replica has it, or cannot be asked: look again. */
  readonly over: () => void;
}

/** Pause between two questions while somebody waits, in ms; each takes the replica some 20 us. */
const PAUSE_MS = 1;

/** Asks one replica where it stands as long as somebody waits for it: one question for all of them. */
export class ReplayWatch {
  private readonly waiters = new Set<ReplayWaiter>();
  private isAsking = false;
  private pause: Timer | undefined;

  constructor(
    private readonly node: Node,
    private readonly topology: Topology,
    private readonly clock: Clock,
  ) {}

  add(waiter: ReplayWaiter): void {
    this.waiters.add(waiter);
    if (!this.isAsking && this.pause === undefined) void this.look();
  }

  remove(waiter: ReplayWaiter): void {
    this.waiters.delete(waiter);
    if (this.waiters.size > 0) return;
    this.pause?.cancel();
    this.pause = undefined;
  }

  private async look(): Promise<void> {
    this.pause = undefined;
    this.isAsking = true;
    let isLost = false;
    try {
      await this.topology.fetchPosition(this.node.name);
    } catch {
      // Whoever waits goes to the primary; that the node is lost is told by its probe.
      isLost = true;
    }
    this.isAsking = false;
    for (const waiter of [...this.waiters]) {
      if (!isLost && !this.node.hasReached(waiter.position)) continue;
      this.waiters.delete(waiter);
      waiter.over();
    }
    if (this.waiters.size === 0 || this.isAsking || this.pause !== undefined) return;
    this.pause = this.clock.schedule(() => void this.look(), PAUSE_MS);
  }
}
