// Who is inside which scope: async context, one per instance of the module.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Holding } from '../query/trip.js';
import type { Scope } from './scope.js';

interface Frame {
  scope: Scope | undefined;
  /** True for a call of another library, in which the scope changes without a callback of ours. */
  readonly isForeign: boolean;
  /** Connections of the scopes that the code has left without their end: by `requires-new`, say. */
  readonly outer: Holding | undefined;
}

/** Without what was given back meanwhile: a chain of calls, each begun inside the last one, must not grow for ever. */
function held(holding: Holding | undefined): Holding | undefined {
  if (holding === undefined) return undefined;
  const outer = held(holding.outer);
  if (holding.lease.isReleased === true) return outer;
  return outer === holding.outer ? holding : { lease: holding.lease, outer };
}

/** What code inside the frame holds. */
function holdingOf(frame: Frame | undefined): Holding | undefined {
  if (frame === undefined) return undefined;
  const { scope, outer } = frame;
  return held(scope === undefined ? outer : { lease: scope.lease, outer });
}

/** Carries the scope along with the asynchronous flow of a callback. */
export class Ambient {
  private readonly storage = new AsyncLocalStorage<Frame>();

  /** The scope of the code that asks; undefined outside of any. */
  get scope(): Scope | undefined {
    return this.storage.getStore()?.scope;
  }

  /** The connections that the code that asks holds, the innermost first; undefined outside of any scope. */
  get holding(): Holding | undefined {
    return holdingOf(this.storage.getStore());
  }

  /**
   * What the code holds beside the connection of `scope`, which its statement goes to: nothing; outside of any, that of a
   * transaction around it, for code of a hook has no scope.
   */
  holdingBeside(scope: Scope | undefined): Holding | undefined {
    return scope === undefined ? this.holding : undefined;
  }

  /** Runs `fn` inside `scope`, or outside of any. */
  run<T>(scope: Scope | undefined, fn: () => T): T {
    const frame = this.storage.getStore();
    // A savepoint is on the connection that its transaction has.
    const isSame = frame?.scope !== undefined && frame.scope.lease === scope?.lease;
    const outer = isSame ? frame.outer : holdingOf(frame);
    return this.storage.run({ scope, isForeign: false, outer }, fn);
  }

  /** Costs the process nothing any more: until then Node tells it of each promise that is made. */
  dispose(): void {
    this.storage.disable();
  }

  /** Runs a call of another library: what it begins by {@link move} becomes the scope of the code inside. */
  follow<T>(fn: () => T): T {
    const frame = this.storage.getStore();
    if (frame?.scope === undefined) return fn();
    const { scope, outer } = frame;
    return this.storage.run({ scope, isForeign: true, outer }, fn);
  }

  /** The other library began a savepoint, or ended it. No-op outside of {@link follow}. */
  move(scope: Scope): void {
    const frame = this.storage.getStore();
    if (frame?.isForeign === true) frame.scope = scope;
  }
}
