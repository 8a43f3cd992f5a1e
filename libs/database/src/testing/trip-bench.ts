// Where trips are made for a stage under test: their clock, their wheel, and what became of each.
import type { DatabaseError } from '../kernel/errors.js';
import { QueryTimeoutError } from '../kernel/errors.js';
import { TimerWheel } from '../kernel/timer-wheel.js';
import type { Enter } from '../query/stage.js';
import { Trip } from '../query/trip.js';
import type { Phase, TripHost, TripRequest } from '../query/trip.js';
import type { FakeClock } from './fake-clock.js';

const REQUEST: TripRequest = {
  statement: { text: 'SELECT 1' },
  intent: 'write',
  wants: 'result',
  repeatable: false,
  consistency: undefined,
  maxLagMs: undefined,
  timeoutMs: undefined,
  signal: undefined,
  pinned: undefined,
};

/** What the caller of a trip was told. */
export type TripEnd = { readonly error: DatabaseError } | { readonly result: unknown };

/** A trip and what its caller was told so far: one end at most, when all is well. */
export interface BenchedTrip {
  readonly trip: Trip;
  readonly ends: TripEnd[];
}

/** The error that a caller was told; undefined when he was told none yet. */
export function errorOf({ ends: [end] }: BenchedTrip): unknown {
  return end !== undefined && 'error' in end ? end.error : undefined;
}

/** True when a caller was told a result. */
export function isAnswered({ ends: [end] }: BenchedTrip): boolean {
  return end !== undefined && 'result' in end;
}

/** Hosts trips as the trip desk does. */
export class TripBench implements TripHost {
  readonly wheel: TimerWheel;
  /** Trips whose record would have been made, in their order. */
  readonly finishedTrips: Trip[] = [];

  constructor(readonly clock: FakeClock) {
    this.wheel = new TimerWheel(clock);
  }

  /** Makes a trip; nothing is sent yet. */
  open(request: Partial<TripRequest> = {}): BenchedTrip {
    const ends: TripEnd[] = [];
    const trip = new Trip(
      this,
      { ...REQUEST, ...request },
      {
        resolve: (result: unknown) => void ends.push({ result }),
        reject: (error: DatabaseError) => void ends.push({ error }),
      },
    );
    return { trip, ends };
  }

  /** Makes a trip and sends it in. */
  send(enter: Enter, request: Partial<TripRequest> = {}): BenchedTrip {
    const benched = this.open(request);
    enter(benched.trip);
    return benched;
  }

  /** @internal */
  finished(trip: Trip): void {
    this.finishedTrips.push(trip);
  }
}

/** What the stages behind the one under test do with a trip. */
export type RestAnswer =
  { readonly result: unknown } | { readonly error: DatabaseError } | 'nothing';

/** Time after which a trip without a deadline ends as well, as a pool's limits see to it, in ms. */
const HOLD_MS = 60_000;

/** The stages behind the one under test, played by a script. Holds a trip as a pool does: until it is due. */
export class Rest implements Phase {
  /** How often something was sent this far. */
  asked = 0;
  /** What is answered; may be changed at any time. */
  script: () => RestAnswer = () => ({ result: 'answer' });

  constructor(private readonly clock: FakeClock) {}

  /** The next answer; for a subject that plays the script by means of its own. */
  play(): RestAnswer {
    this.asked++;
    return this.script();
  }

  readonly enter: Enter = (trip) => {
    const answer = this.play();
    const nowMs = this.clock.monotonicMs();
    if (answer === 'nothing') trip.begin(this, nowMs, nowMs + HOLD_MS);
    else if ('error' in answer) trip.settle(answer.error, undefined);
    else trip.settle(undefined, answer.result);
  };

  due(trip: Trip): void {
    trip.settle(new QueryTimeoutError(this.clock.monotonicMs() - trip.openedAtMs), undefined);
  }

  interrupt(trip: Trip, error: DatabaseError): void {
    trip.settle(error, undefined);
  }
}
