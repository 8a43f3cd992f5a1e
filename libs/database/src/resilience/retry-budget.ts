// Bounds repetition by success: retries cannot multiply the load of a system that fails.

/** Repetitions in hand at the start and at most, whatever the traffic. */
const RESERVE = 20;

/** A bucket that every success fills by `ratio` and every repetition empties by one. */
export class RetryBudget {
  private tokens = RESERVE;

  constructor(private readonly ratio: number) {}

  succeeded(): void {
    this.tokens = Math.min(RESERVE, this.tokens + this.ratio);
  }

  /** Takes one repetition; false when the budget is spent. */
  take(): boolean {
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
