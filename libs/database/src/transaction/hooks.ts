// Functions that follow the end of a transaction: called outside of it, their failures reported.
import type { Events } from '../kernel/events.js';
import type { Ambient } from './ambient.js';
import type { Hook } from './scope.js';

/** Calls hooks one after the other, outside of any scope; never rejects. */
export async function callHooks(
  hooks: readonly Hook[],
  { ambient, events }: { readonly ambient: Ambient; readonly events: Events },
): Promise<void> {
  for (const hook of hooks) {
    try {
      await ambient.run(undefined, hook);
    } catch (error) {
      events.emit('transaction:hook-failed', { error });
    }
  }
}
