// Starts the rooms that are switched on, and stops them in reverse.
import { Closers } from '../kernel/closers.js';
import type { Events } from '../kernel/events.js';
import type { Capability } from './capability.js';

/**
 * Owns the life of all rooms of an instance. A room that fails to start or stop is reported as
 * `work:failed` and hinders no other: the application outlives its instruments.
 */
export class CapabilityHost {
  private readonly closers = new Closers();
  private starting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly rooms: readonly Capability[],
    private readonly events: Events,
  ) {}

  /** Starts each enabled room once, in the order given. Calls share one promise. */
  start(): Promise<void> {
    return (this.starting ??= this.startAll());
  }

  /** Stops what was started, the last one first. Calls share one promise; a host starts once. */
  stop(): Promise<void> {
    return (this.stopping ??= this.stopAll());
  }

  /** What each enabled room saw last, by name. */
  snapshots(): Record<string, unknown> {
    const enabled = this.rooms.filter(({ isEnabled }) => isEnabled);
    return Object.fromEntries(enabled.map((room) => [room.name, room.snapshot()]));
  }

  private async startAll(): Promise<void> {
    for (const room of this.rooms) {
      if (!room.isEnabled || this.stopping !== undefined) continue;
      // Before the start, so that a room that failed half-way is stopped too.
      this.closers.add(() => this.attempt(`stop ${room.name}`, () => room.stop()));
      await this.attempt(`start ${room.name}`, () => room.start());
    }
  }

  private async stopAll(): Promise<void> {
    await this.starting;
    await this.closers.close();
  }

  private async attempt(work: string, run: () => Promise<void> | void): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.events.emit('work:failed', { work, error });
    }
  }
}
