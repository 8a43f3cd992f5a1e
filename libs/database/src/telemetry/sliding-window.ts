// What happened lately: a histogram and a counter that forget.
import { Histogram } from './histogram.js';

/** Slots of a sliding histogram: it covers its window less up to a sixth of it. */
const HISTOGRAM_SLOTS = 6;

/** A histogram over the last `windowMs`. */
export class SlidingHistogram {
  private readonly slots: Histogram[] = [];
  private readonly slotMs: number;
  private slot = 0;

  constructor(windowMs: number) {
    this.slotMs = windowMs / HISTOGRAM_SLOTS;
  }

  /** `nowMs` is monotonic. */
  record(durationMs: number, nowMs: number): void {
    this.advance(nowMs);
    const at = this.slot % HISTOGRAM_SLOTS;
    (this.slots[at] ??= new Histogram()).record(durationMs);
  }

  /** Adds what is within the window to `target`. */
  addTo(target: Histogram, nowMs: number): void {
    this.advance(nowMs);
    for (const slot of this.slots) if (slot !== undefined) target.add(slot);
  }

  private advance(nowMs: number): void {
    const now = Math.floor(nowMs / this.slotMs);
    if (now === this.slot) return;
    const stale = Math.min(now - this.slot, HISTOGRAM_SLOTS);
    for (let i = 1; i <= stale; i++) this.slots[(this.slot + i) % HISTOGRAM_SLOTS]?.reset();
    this.slot = now;
  }
}

const COUNTER_SLOT_MS = 1_000;
/** Longest window of a rate, in ms. */
export const MAX_RATE_WINDOW_MS = 300_000;
const COUNTER_SLOTS = MAX_RATE_WINDOW_MS / COUNTER_SLOT_MS + 1;

/** Counts per second over the last five minutes. */
export class SlidingCounter {
  private readonly counts = new Float64Array(COUNTER_SLOTS);
  private slot: number;

  /** `startedAtMs` is monotonic, as all times here. */
  constructor(private readonly startedAtMs: number) {
    this.slot = Math.floor(startedAtMs / COUNTER_SLOT_MS);
  }

  add(nowMs: number): void {
    this.advance(nowMs);
    const at = this.slot % COUNTER_SLOTS;
    this.counts[at] = (this.counts[at] as number) + 1;
  }

  /** Mean rate per second over the last `windowMs`, or since the start where that is shorter. */
  perSecond(windowMs: number, nowMs: number): number {
    this.advance(nowMs);
    const slots = Math.min(Math.round(windowMs / COUNTER_SLOT_MS), COUNTER_SLOTS - 1);
    let sum = 0;
    for (let i = 0; i <= slots && i <= this.slot; i++) {
      sum += this.counts[(this.slot - i) % COUNTER_SLOTS] as number;
    }
    // The youngest slot is part of a second; the oldest one is taken whole.
    const coveredMs = Math.min(
      slots * COUNTER_SLOT_MS + (nowMs % COUNTER_SLOT_MS),
      nowMs - this.startedAtMs,
    );
    // A rate seen for less than a second is noise.
    return (sum / Math.max(coveredMs, 1_000)) * 1_000;
  }

  private advance(nowMs: number): void {
    const now = Math.floor(nowMs / COUNTER_SLOT_MS);
    if (now === this.slot) return;
    const stale = Math.min(now - this.slot, COUNTER_SLOTS);
    for (let i = 1; i <= stale; i++) this.counts[(this.slot + i) % COUNTER_SLOTS] = 0;
    this.slot = now;
  }
}
