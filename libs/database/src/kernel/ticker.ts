// Repeating background work: jittered, never overlapping, unref'ed, stopped by its owner.
import type { Clock, Timer } from './clock.js';

/** What a {@link Ticker} repeats, and how. */
export interface TickerOptions {
  readonly clock: Clock;
  /** Time between the end of one run and the start of the next, in ms, +-10 % jitter. */
  readonly everyMs: number;
  readonly run: () => Promise<void> | void;
  /** Gets what `run` throws; the ticker goes on. */
  readonly failed: (error: unknown) => void;
}

/** Runs a job again and again. `start` and `stop` are idempotent; `stop` waits for a run under way. */
export class Ticker {
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  private stopped = true;

  constructor(private readonly options: TickerOptions) {}

  /** Starts with the first run at once. */
  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.fire();
  }

  /** Runs now instead of at the next tick; joins a run that is under way. */
  async runNow(): Promise<void> {
    if (this.stopped) return;
    this.timer?.cancel();
    this.fire();
    await this.running;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    await this.running;
  }

  private readonly fire = (): void => {
    // `then`, so that a run that throws before its first await is over after it was entered here.
    this.running ??= this.runOnce().then(() => this.scheduleNext());
  };

  private async runOnce(): Promise<void> {
    try {
      await this.options.run();
    } catch (error) {
      this.options.failed(error);
    }
  }

  private scheduleNext(): void {
    this.running = undefined;
    if (this.stopped) return;
    const delayMs = this.options.everyMs * (0.9 + Math.random() * 0.2);
    this.timer = this.options.clock.schedule(this.fire, delayMs);
  }
}
