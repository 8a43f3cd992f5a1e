// What happened lately: slots that are used again when their time is over. All times are monotonic.

/** Slots of a window: it covers its time less up to a sixth of it. */
const SLOTS = 6;

/** Something recorded in slots over the last `windowMs`. */
export class SlidingWindow<Slot extends { reset(): void }> {
  private readonly slots: Slot[] = [];
  private readonly slotMs: number;
  private index = 0;
  private endsAtMs = Number.NEGATIVE_INFINITY;
  private current: Slot;

  constructor(
    windowMs: number,
    private readonly create: () => Slot,
  ) {
    this.slotMs = windowMs / SLOTS;
    this.current = this.slots[0] = create();
  }

  /** The slot to record in now. */
  at(nowMs: number): Slot {
    if (nowMs >= this.endsAtMs) this.advance(nowMs);
    return this.current;
  }

  /** The slots within the window. */
  within(nowMs: number): Slot[] {
    this.at(nowMs);
    return this.slots.filter((slot) => slot !== undefined);
  }

  private advance(nowMs: number): void {
    const index = Math.floor(nowMs / this.slotMs);
    const stale = Math.min(index - this.index, SLOTS);
    for (let i = 1; i <= stale; i++) this.slots[(this.index + i) % SLOTS]?.reset();
    this.index = index;
    this.endsAtMs = (index + 1) * this.slotMs;
    this.current = this.slots[index % SLOTS] ??= this.create();
  }
}

const COUNTER_SLOT_MS = 1_000;
/** Five minutes, and the second that has begun. */
const COUNTER_SLOTS = 301;

/** Counts per second over the last five minutes. */
export class SlidingCounter {
  private readonly counts = new Float64Array(COUNTER_SLOTS);
  private index: number;
  private at: number;
  private endsAtMs: number;

  constructor(private readonly startedAtMs: number) {
    this.index = Math.floor(startedAtMs / COUNTER_SLOT_MS);
    this.at = this.index % COUNTER_SLOTS;
    this.endsAtMs = (this.index + 1) * COUNTER_SLOT_MS;
  }

  add(nowMs: number): void {
    if (nowMs >= this.endsAtMs) this.advance(nowMs);
    this.counts[this.at] = (this.counts[this.at] as number) + 1;
  }

  /** Mean rate per second over the last `windowMs` (five minutes at most), or since the start where that is shorter. */
  perSecond(windowMs: number, nowMs: number): number {
    if (nowMs >= this.endsAtMs) this.advance(nowMs);
    const slots = Math.min(Math.round(windowMs / COUNTER_SLOT_MS), COUNTER_SLOTS - 1);
    let sum = 0;
    for (let i = 0; i <= slots && i <= this.index; i++) {
      sum += this.counts[(this.index - i) % COUNTER_SLOTS] as number;
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
    const index = Math.floor(nowMs / COUNTER_SLOT_MS);
    const stale = Math.min(index - this.index, COUNTER_SLOTS);
    for (let i = 1; i <= stale; i++) this.counts[(this.index + i) % COUNTER_SLOTS] = 0;
    this.index = index;
    this.at = index % COUNTER_SLOTS;
    this.endsAtMs = (index + 1) * COUNTER_SLOT_MS;
  }
}
