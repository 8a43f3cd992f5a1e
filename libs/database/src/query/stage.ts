// The one shape of every stage, and how stages are put behind each other.
import type { Step, Trip } from './trip.js';

/** Sends a trip into what comes next. */
export type Enter = (trip: Trip) => void;

/**
 * A stage of the trip. Completion comes by `trip.settle()`, not by a promise: an onion of five
 * async stages costs 11 us a query, this costs 0.2.
 */
export interface Stage {
  /** The trip comes in: pass it to `next`, or settle it here. Must not throw. */
  enter(trip: Trip, next: Enter): void;
  /**
   * The trip is on its way back, with `trip.error` or `trip.result`. Returns true when this stage
   * keeps the trip and will send it down again. Must not throw.
   */
  settled?(trip: Trip, next: Enter): boolean;
}

/** Puts a stage before what comes next: `before(routing, before(resilience, pool))`. */
export function before(stage: Stage, next: Enter): Enter {
  const step: Step = { stage, next };
  return (trip) => {
    trip.descend(step);
    stage.enter(trip, next);
  };
}

/** The last stage of a chain: it settles every trip that enters. */
export function last(stage: Stage): Enter {
  return before(stage, (trip) => {
    throw new Error(`A trip left the last stage: ${trip.statement.text.slice(0, 40)}`);
  });
}
