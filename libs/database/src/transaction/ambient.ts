// Who is inside which scope: async context, one per instance of the module.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Scope } from './scope.js';

interface Frame {
  scope: Scope | undefined;
  /** True for a call of another library, in which the scope changes without a callback of ours. */
  readonly isForeign: boolean;
}

/** Carries the scope along with the asynchronous flow of a callback. */
export class Ambient {
  private readonly storage = new AsyncLocalStorage<Frame>();

  /** The scope of the code that asks; undefined outside of any. */
  get scope(): Scope | undefined {
    return this.storage.getStore()?.scope;
  }

  /** Runs `fn` inside `scope`, or outside of any. */
  run<T>(scope: Scope | undefined, fn: () => T): T {
    return this.storage.run({ scope, isForeign: false }, fn);
  }

  /** Runs a call of another library: what it begins by {@link move} becomes the scope of the code inside. */
  follow<T>(fn: () => T): T {
    const { scope } = this;
    return scope === undefined ? fn() : this.storage.run({ scope, isForeign: true }, fn);
  }

  /** The other library began a savepoint, or ended it. No-op outside of {@link follow}. */
  move(scope: Scope): void {
    const frame = this.storage.getStore();
    if (frame?.isForeign === true) frame.scope = scope;
  }
}
