// What the reads of a user, a job or a process have to see: carried along by async context.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Freshness, WalPosition } from '../query/position.js';

/** A position, and when it was asked for: it stands for all that was written before. */
export interface AskedPosition extends WalPosition {
  /** Monotonic, in ms. */
  readonly askedAtMs: number;
}

/** Whether `a` is further than `b`; another cluster is, for it is the one that was written to last. */
function isFurther(a: WalPosition, b: WalPosition): boolean {
  if (a.systemId !== b.systemId) return true;
  return a.timeline === b.timeline ? a.lsn > b.lsn : a.timeline > b.timeline;
}

/** The last write of one context. */
export class ConsistencyContext {
  /** Monotonic time since which a write has no position, in ms. */
  private unknownSinceMs: number | undefined;
  private position: WalPosition | undefined;
  private written = false;

  constructor(
    private readonly parent: ConsistencyContext | undefined,
    given: Freshness | undefined,
    nowMs: number,
  ) {
    if (given === 'primary') this.unknownSinceMs = nowMs;
    else this.position = given;
  }

  /** True once something was written inside. */
  get hasWritten(): boolean {
    return this.written;
  }

  /** Monotonic time since which the position of a write is not known, in ms. */
  get unknownAtMs(): number | undefined {
    return this.unknownSinceMs;
  }

  /** What a read inside has to see. */
  get freshness(): Freshness | undefined {
    return this.unknownSinceMs === undefined ? this.position : 'primary';
  }

  /** Something was written at `nowMs`, and nobody knows where it stands. The contexts around it wrote it too. */
  wroteSomewhere(nowMs: number): void {
    this.written = true;
    this.unknownSinceMs = nowMs;
    this.parent?.wroteSomewhere(nowMs);
  }

  /** Something was written, here and in the contexts around it, before the position was asked for. */
  wroteUpTo(position: AskedPosition): void {
    this.written = true;
    this.reached(position);
    this.parent?.wroteUpTo(position);
  }

  /** A position of the primary: it stands for all that was written before it was asked for. */
  reached({ systemId, timeline, lsn, askedAtMs }: AskedPosition): void {
    const position = { systemId, timeline, lsn };
    if (this.position === undefined || isFurther(position, this.position)) this.position = position;
    if (this.unknownSinceMs !== undefined && askedAtMs >= this.unknownSinceMs) {
      this.unknownSinceMs = undefined;
    }
  }
}

/** The contexts of an instance. Outside of any the instance itself is the context. */
export class ConsistencyContexts {
  private readonly storage = new AsyncLocalStorage<ConsistencyContext>();
  private readonly instance = new ConsistencyContext(undefined, undefined, 0);

  /** The context of the code that asks. */
  get current(): ConsistencyContext {
    return this.storage.getStore() ?? this.instance;
  }

  /** Opens a context inside the present one. */
  open(given: Freshness | undefined, nowMs: number): ConsistencyContext {
    return new ConsistencyContext(this.current, given, nowMs);
  }

  /** Runs `work` inside a context. */
  run<T>(context: ConsistencyContext, work: () => T): T {
    return this.storage.run(context, work);
  }

  /** Costs the process nothing any more: until then Node tells it of each promise that is made. */
  dispose(): void {
    this.storage.disable();
  }
}
