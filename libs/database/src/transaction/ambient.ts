// Who is inside which scope: async context, one per instance of the module.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Scope } from './scope.js';

/** Carries the scope along with the asynchronous flow of a callback. */
export class Ambient {
  private readonly storage = new AsyncLocalStorage<Scope | undefined>();

  /** The scope of the code that asks; undefined outside of any. */
  get scope(): Scope | undefined {
    return this.storage.getStore();
  }

  /** Runs `fn` inside `scope`, or outside of any. */
  run<T>(scope: Scope | undefined, fn: () => T): T {
    return this.storage.run(scope, fn);
  }
}
