// The typed emitter: sideways communication of the whole house.
import type { EventMap } from './event-map.js';

/** The name of an event. */
export type EventName = keyof EventMap;

type Listener<Name extends EventName> = (payload: EventMap[Name]) => void;

/**
 * Emits plain facts. Listeners are called synchronously in the order of their registration; an
 * error in one never reaches the emitter or the other listeners: it becomes `listener:failed`.
 */
export class Events {
  private readonly listeners = new Map<EventName, Array<Listener<never>>>();

  /** Registers a listener and returns the function that takes it away. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    // Copied on change, so that an emission under way sees a stable list.
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
    return () => {
      const rest = (this.listeners.get(name) ?? []).filter((known) => known !== listener);
      if (rest.length === 0) this.listeners.delete(name);
      else this.listeners.set(name, rest);
    };
  }

  /** True when somebody listens; lets an emitter skip building a payload. */
  has(name: EventName): boolean {
    return this.listeners.has(name);
  }

  emit<Name extends EventName>(name: Name, payload: EventMap[Name]): void {
    const listeners = this.listeners.get(name) as Array<Listener<Name>> | undefined;
    if (listeners === undefined) return;
    for (const listener of listeners) {
      try {
        listener(payload);
      } catch (error) {
        if (name !== 'listener:failed') this.emit('listener:failed', { event: name, error });
      }
    }
  }
}
