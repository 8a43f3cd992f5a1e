// How fast the texts of each shape are: who may share a connection, learned from what it took.
import { TextMemory } from '../query/text-memory.js';
import type { QueryResult } from '../query/query.js';

/** Runs on a connection of its own before a shape may share one. */
const FIRST_RUNS = 4;
/** Longest time of the best of the last ones beyond the round trip, in ms: the others tell how busy the server is. */
const MAX_ALONE_MS = 1;
/** A shared run that takes longer is slow, in ms: four connections full of them would be slower than twenty. */
const SLOW_MS = 0.5;
/** Runs between two judgements. */
const WINDOW = 64;
/** Values in an answer that take this process 0.5 ms to read: of shapes that all give as many, none would seem slow. */
const MANY_VALUES = 4_096;
/** Runs of less than this may wait for each other's answers, in ms: eight of them take no longer than one slow one. */
const QUICK_MS = 0.1;
/** Each run counts for this part of the mean. */
const MEAN_SHARE = 1 / 16;
/** A run that others had to be rescued from counts against its shape when it took longer, in ms. */
export const STRIKE_MS = 20;
/** Time in which several of them count as one, in ms. */
const STRIKE_PAUSE_MS = 100;
const MAX_STRIKES = 2;
/** Time out of the lane, doubled each time up to a limit, in ms. */
const FIRST_OUT_MS = 1_000;
const MAX_DOUBLINGS = 6;

const NONE: readonly never[] = Object.freeze([]);

/** That of a network nearby, as long as nothing is known, in ms. */
const USUAL_MS = 0.5;

/** The round trip to a server, of which nobody tells: the least of what its probe and statements have taken lately. */
export class RoundTrip {
  private leastMs = Number.POSITIVE_INFINITY;

  /** `probedMs` is what the last probe took: of statements alone a slow one may be taken for a slow network. */
  constructor(private readonly probedMs: () => number | undefined = () => undefined) {}

  /** In ms. */
  get ms(): number {
    const ms = Math.min(this.leastMs, this.probedMs() ?? Number.POSITIVE_INFINITY);
    return ms === Number.POSITIVE_INFINITY ? USUAL_MS : ms;
  }

  /** A statement took this long, which cannot be less than the round trip. */
  took(ms: number): void {
    // It rises slowly, when the network has become slower.
    this.leastMs = Math.min(ms, this.leastMs * 1.02 + 0.001);
  }
}

/** What is known of the texts of one shape on one node. Times are monotonic, in ms. */
export class Fingerprint {
  /** Runs that hold others up right now. */
  private stalls = 0;
  /** Mean of the shared runs, in ms; a single one cannot make a quick shape slow. */
  private meanMs = SLOW_MS;
  /** True while it may be what held others up. */
  private isSuspect = false;
  private alone = 0;
  private bestAloneMs = Number.POSITIVE_INFINITY;
  private shared = 0;
  private slow = 0;
  private strikes = 0;
  private struckAtMs = Number.NEGATIVE_INFINITY;
  private outUntilMs = 0;
  private timesOut = 0;

  constructor(private readonly roundTrip: RoundTrip) {}

  /** Whether it may share a connection now. */
  mayShare(nowMs: number): boolean {
    return (
      this.alone >= FIRST_RUNS &&
      this.stalls === 0 &&
      !this.isSuspect &&
      nowMs >= this.outUntilMs &&
      this.bestAloneMs <= this.limitMs
    );
  }

  /** Time of a shared run, in ms; at most 0.5. */
  get usualMs(): number {
    return this.meanMs;
  }

  /** Whether it may wait for others to be answered with it. */
  get isQuick(): boolean {
    return this.meanMs <= QUICK_MS;
  }

  /** It ran on a connection of its own. */
  ranAlone(serverMs: number): void {
    this.roundTrip.took(serverMs);
    if (this.alone % WINDOW === 0 || serverMs < this.bestAloneMs) this.bestAloneMs = serverMs;
    this.alone++;
    if (serverMs <= this.limitMs) this.isSuspect = false;
  }

  /** It ran on a shared connection, in this time of its own. */
  ranShared(serviceMs: number, nowMs: number): void {
    this.shared++;
    this.meanMs += (Math.min(serviceMs, SLOW_MS) - this.meanMs) * MEAN_SHARE;
    if (serviceMs > SLOW_MS) this.slow++;
    if (this.shared < WINDOW) return;
    // Most of them, and not the mean: answers that a busy process reads late come together, one slow and many at once.
    const isSlow = this.slow > WINDOW / 2;
    this.shared = this.slow = 0;
    if (isSlow) this.leave(nowMs);
    else this.strikes = this.timesOut = 0;
  }

  /** It has answered; after a large answer, wherever it ran, it has to show anew that it gives small ones. */
  gave(result: unknown): void {
    if (isLarge(result)) this.alone = 0;
  }

  /** It has failed: the others of a batch have to run again, so that it makes none until it has run well for a while. */
  failed(): void {
    this.meanMs = SLOW_MS;
  }

  /** One of several that may hold others up: it shares nothing more until one run alone was fast. */
  suspected(): void {
    this.isSuspect = true;
  }

  /** Others were rescued from behind it. */
  stalled(): void {
    this.stalls++;
  }

  /** It is over after all, in this time. */
  recovered(tookMs: number, nowMs: number): void {
    this.stalls--;
    this.heldUp(tookMs, nowMs);
  }

  /** It was what others had to be rescued from, for this time. */
  heldUp(tookMs: number, nowMs: number): void {
    if (tookMs < STRIKE_MS || nowMs - this.struckAtMs < STRIKE_PAUSE_MS) return;
    this.struckAtMs = nowMs;
    if (++this.strikes >= MAX_STRIKES) this.leave(nowMs);
  }

  /** Longest time of a run alone that is fast, in ms. */
  private get limitMs(): number {
    return MAX_ALONE_MS + 2 * this.roundTrip.ms;
  }

  private leave(nowMs: number): void {
    this.outUntilMs = nowMs + FIRST_OUT_MS * 2 ** Math.min(this.timesOut++, MAX_DOUBLINGS);
    this.strikes = 0;
    // Judged anew when it comes back.
    this.alone = 0;
  }
}

function isLarge(result: unknown): boolean {
  const { rows = NONE, fields = NONE } = (result ?? {}) as Partial<QueryResult>;
  return rows.length * fields.length > MANY_VALUES;
}

/** Fingerprints by the shape of their texts. */
export class Fingerprints {
  private readonly known = new TextMemory<Fingerprint>();

  constructor(private readonly roundTrip: RoundTrip) {}

  of(shape: string): Fingerprint {
    const known = this.known.get(shape);
    if (known !== undefined) return known;
    const fresh = new Fingerprint(this.roundTrip);
    this.known.add(shape, fresh);
    return fresh;
  }
}
