// Bounds what falls back on the primary when replicas are lost: it could not bear the load of all.
import type { Clock } from '../kernel/clock.js';

/** Reads that may fall back in each second, whatever the share: a little traffic harms nobody. */
const FREE = 10;
const WINDOW_MS = 1_000;

/** Counts the reads of the present second, and those of them that fell back. */
export class FallbackBudget {
  private startedAtMs = 0;
  private reads = 0;
  private fallbacks = 0;
  /** Reads of the second before: the first ones of a second are judged by them. */
  private before = 0;

  constructor(
    private readonly ratio: number,
    private readonly clock: Clock,
  ) {}

  /** Time until the next second, in ms. */
  get retryAfterMs(): number {
    return Math.max(1, this.startedAtMs + WINDOW_MS - this.clock.monotonicMs());
  }

  /** A read that replicas should answer. */
  counted(): void {
    if (this.ratio >= 1) return;
    this.advance();
    this.reads++;
  }

  /** Takes one fallback; false when the share of this second is used up. */
  take(): boolean {
    if (this.ratio >= 1) return true;
    this.advance();
    const allowed = Math.max(FREE, Math.max(this.reads, this.before) * this.ratio);
    if (this.fallbacks >= allowed) return false;
    this.fallbacks++;
    return true;
  }

  private advance(): void {
    const nowMs = this.clock.monotonicMs();
    const passedMs = nowMs - this.startedAtMs;
    if (passedMs < WINDOW_MS) return;
    this.before = passedMs < 2 * WINDOW_MS ? this.reads : 0;
    this.startedAtMs = nowMs;
    this.reads = 0;
    this.fallbacks = 0;
  }
}
