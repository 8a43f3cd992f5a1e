// Where leases are borrowed: some stacks always, all of them once a leak was seen.
import type { Events } from '../kernel/events.js';

/** A place in the code; `stack` is formatted only when somebody reads it. */
export interface BorrowPlace {
  readonly stack?: string;
}

/** The folder of the library, as it stands in stacks. */
const OWN_FOLDER = /\(?((?:file:\/\/)?\/[^()]*\/)pool\/borrow-sampler\./.exec(
  new Error('where the library is').stack ?? '',
)?.[1];

/** The stack of a borrower from his own code on: neither ours nor Node's. */
export function borrowerOf(place: BorrowPlace | undefined): string | undefined {
  const frames = place?.stack
    ?.split('\n')
    .slice(1)
    .filter((frame) => !frame.includes('node:'))
    .filter((frame) => OWN_FOLDER === undefined || !frame.includes(OWN_FOLDER));
  // What is built in stands between ours: `new Promise` makes one for a call.
  const first = frames?.findIndex((frame) => !frame.endsWith('(<anonymous>)')) ?? 0;
  return frames?.slice(Math.max(0, first)).join('\n');
}

/** A stack costs as much as ten short transactions: one in this many is taken, after the first ones. */
const EVERY = 512;
const FIRST = 16;
/** Leases of which each gets its stack after a leak. */
const AFTER_LEAK = 10_000;

/** Decides which borrowers are remembered. A leak that happens twice is found at the second time at the latest. */
export class BorrowSampler {
  private untilNext = 0;
  private all = FIRST;

  constructor(events: Events) {
    events.on('lease:leaked', () => (this.all = AFTER_LEAK));
  }

  /** The stack of the code that asks, or undefined when this borrower is not sampled. */
  sample(): BorrowPlace | undefined {
    if (this.all > 0) this.all--;
    else if (this.untilNext-- > 0) return undefined;
    else this.untilNext = EVERY - 1;
    const place: { stack?: string } = {};
    const limit = Error.stackTraceLimit;
    // The first ten frames are ours; those of the application stand below.
    Error.stackTraceLimit = limit + 15;
    Error.captureStackTrace(place);
    Error.stackTraceLimit = limit;
    return place;
  }
}
