// A clock for tests: time stands still until the test moves it.
import type { Clock, Timer } from '../kernel/clock.js';

interface Pending {
  readonly dueAtMs: number;
  readonly run: () => void;
}

/** Time that a test moves by hand. Pending calls run in the order of their due times. */
export class FakeClock implements Clock {
  private elapsedMs = 0;
  private jumpedMs = 0;
  private readonly pending = new Set<Pending>();

  /** @param startMs wall time at the start, in ms since 1970 */
  constructor(private startMs = 1_700_000_000_000) {}

  /** Calls that wait for their time; 0 when everything that was started was stopped. */
  get pendingTimers(): number {
    return this.pending.size;
  }

  nowMs(): number {
    return this.startMs + this.elapsedMs + this.jumpedMs;
  }

  /** Sets the wall clock, forward or back, as an administrator or NTP does; monotonic time goes on unmoved. */
  jumpWallMs(ms: number): void {
    this.jumpedMs += ms;
  }

  /** The wall clock is set anew; nothing else moves. */
  setWall(byMs: number): void {
    this.startMs += byMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  schedule(run: () => void, delayMs: number): Timer {
    const entry = { dueAtMs: this.elapsedMs + Math.max(0, delayMs), run };
    this.pending.add(entry);
    return { cancel: () => void this.pending.delete(entry) };
  }

  /** Behind what was due before: an answer of a fake server, say. */
  afterInput(run: () => void): void {
    this.schedule(run, 0);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        timer.cancel();
        reject(signal?.reason as Error);
      };
      const timer = this.schedule(() => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      }, delayMs);
      if (signal?.aborted === true) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Time passes while the event loop is blocked: what falls due meanwhile runs late, at the next move. */
  blockMs(ms: number): void {
    this.elapsedMs += ms;
  }

  /** Moves time and runs what falls due, without a break for promises. */
  advanceMs(ms: number): void {
    const untilMs = this.elapsedMs + ms;
    for (let next = this.nextDue(untilMs); next !== undefined; next = this.nextDue(untilMs)) {
      this.runAt(next);
    }
    this.elapsedMs = untilMs;
  }

  /** Moves time and lets promises settle between the calls that fall due: for repeating async work. */
  async elapseMs(ms: number): Promise<void> {
    const untilMs = this.elapsedMs + ms;
    await this.settle();
    for (let next = this.nextDue(untilMs); next !== undefined; next = this.nextDue(untilMs)) {
      this.runAt(next);
      await this.settle();
    }
    this.elapsedMs = untilMs;
  }

  private settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  private runAt(entry: Pending): void {
    this.pending.delete(entry);
    this.elapsedMs = Math.max(this.elapsedMs, entry.dueAtMs);
    entry.run();
  }

  private nextDue(untilMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const entry of this.pending) {
      if (entry.dueAtMs <= untilMs && (first === undefined || entry.dueAtMs < first.dueAtMs)) {
        first = entry;
      }
    }
    return first;
  }
}
