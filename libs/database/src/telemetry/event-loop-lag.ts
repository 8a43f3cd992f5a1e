// How late the event loop serves its timers: the stalls that no database can be blamed for.
import type { Clock, Timer } from '../kernel/clock.js';
import type { DistributionFigures } from './histogram.js';
import { Histogram } from './histogram.js';
import { SlidingWindow } from './sliding-window.js';

/** Time between two looks, in ms: a longer stall is always seen, a shorter one in proportion to its length. */
const EVERY_MS = 50;

/** Measures by a timer of its own from `start` to `stop`; half of what `monitorEventLoopDelay` takes by default. */
export class EventLoopLag {
  private readonly lately: SlidingWindow<Histogram>;
  private timer: Timer | undefined;
  private maxMs: number | undefined;

  constructor(
    private readonly clock: Clock,
    windowMs: number,
  ) {
    this.lately = new SlidingWindow(windowMs, () => new Histogram());
  }

  start(): void {
    if (this.timer === undefined) this.look(this.clock.monotonicMs());
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** Undefined before the first look. */
  figures(): DistributionFigures | undefined {
    const sum = new Histogram();
    for (const slot of this.lately.within(this.clock.monotonicMs())) sum.add(slot);
    return sum.figures();
  }

  /** The longest lag since the last call; for the one who samples. Undefined when there was no look. */
  takeMaxMs(): number | undefined {
    const { maxMs } = this;
    this.maxMs = undefined;
    return maxMs;
  }

  private look(nowMs: number): void {
    const dueAtMs = nowMs + EVERY_MS;
    this.timer = this.clock.schedule(() => {
      const firedAtMs = this.clock.monotonicMs();
      const lagMs = Math.max(0, firedAtMs - dueAtMs);
      this.lately.at(firedAtMs).record(lagMs);
      this.maxMs = Math.max(this.maxMs ?? 0, lagMs);
      this.look(firedAtMs);
    }, EVERY_MS);
  }
}
