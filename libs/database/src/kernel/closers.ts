// A last-in-first-out stack of things to close: who opens later closes earlier.

/** Collects closing steps while a system opens, and runs them in reverse, each exactly once. */
export class Closers {
  private readonly steps: Array<() => Promise<void> | void> = [];
  private closing: Promise<void> | undefined;

  add(step: () => Promise<void> | void): void {
    this.steps.push(step);
  }

  /** Runs all steps even when some fail, then throws the first failure. Concurrent calls share one promise. */
  close(): Promise<void> {
    return (this.closing ??= this.run());
  }

  private async run(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
