// The shape of every operations room.

/** A room that looks at the database from outside the trip of a query. */
export interface Capability<Snapshot = unknown> {
  /** The slice of options it goes by. */
  readonly name: string;
  /** False when its slice is `false`: then it is never started. */
  readonly isEnabled: boolean;
  /** Begins its background work. Idempotent; calls share one promise. */
  start(): Promise<void> | void;
  /** Ends it and waits for a run under way. Idempotent; no timer and no listener is left. */
  stop(): Promise<void> | void;
  /** What it saw last. Cheap and synchronous; touches no server, and works before `start` too. */
  snapshot(): Snapshot;
}
