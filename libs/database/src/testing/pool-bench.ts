// Where a pool is put under test: connections that answer from a script, trips and leases that come from them.
import type { ConnectionTarget } from '../driver/target.js';
import type { EventMap } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
import { Lease } from '../pool/lease.js';
import { POOL_DEFAULTS } from '../pool/pool.options.js';
import type { PoolOptions } from '../pool/pool.options.js';
import { PoolStage } from '../pool/pool.stage.js';
import { Pool } from '../pool/pool.js';
import type { PoolParts } from '../pool/pool.js';
import { last } from '../query/stage.js';
import type { Enter } from '../query/stage.js';
import type { TripRequest } from '../query/trip.js';
import { FakeClock } from './fake-clock.js';
import { FakeDriver } from './fake-driver.js';
import { TripBench } from './trip-bench.js';
import type { BenchedTrip } from './trip-bench.js';

/** The fake driver opens connections wherever it is told to. */
const TARGET = {} as ConnectionTarget;

/** Longer than any pool takes to close, in ms. */
const CLOSE_MS = 20_000;

/** A pool and the stage in front of it. */
export interface BenchedPool {
  readonly pool: Pool;
  readonly enter: Enter;
}

/** What the server of a pool is like. */
export type BenchedServer = Pick<PoolParts, 'keepsBackend' | 'latencyMs'>;

/** Builds pools for a suite, and keeps what they have in common: the clock, the server, the events. */
export class PoolBench extends TripBench {
  readonly driver: FakeDriver;
  readonly events = new Events();

  constructor(clock: FakeClock = new FakeClock()) {
    super(clock);
    this.driver = new FakeDriver(clock);
  }

  /** A pool that was not started: the defaults but for `options`, and no minimum unless they set one. */
  pool(options: Partial<PoolOptions> = {}, server: BenchedServer = {}): BenchedPool {
    const { clock, driver, events } = this;
    const whole = { ...POOL_DEFAULTS, min: 0, ...options };
    const connect = (): ReturnType<FakeDriver['connect']> =>
      driver.connect(TARGET, whole.connectTimeoutMs);
    const pool = new Pool({ ...server, node: 'primary', options: whole, clock, events, connect });
    return { pool, enter: last(new PoolStage(pool, clock)) };
  }

  /** Borrows a connection; throws when none comes at once. */
  async lend(enter: Enter, request: Partial<TripRequest> = {}): Promise<Lease> {
    const borrowing = this.send(enter, { wants: 'lease', ...request });
    await this.clock.elapseMs(0);
    return leaseOf(borrowing);
  }

  /** Sends a statement in on a lease. */
  run(lease: Lease, text: string, request: Partial<TripRequest> = {}): BenchedTrip {
    return this.send((trip) => lease.enter(trip), { statement: { text }, ...request });
  }

  /** Collects the events of a name from now on. */
  record<Name extends keyof EventMap>(name: Name): Array<EventMap[Name]> {
    const seen: Array<EventMap[Name]> = [];
    this.events.on(name, (payload) => seen.push(payload));
    return seen;
  }

  /** Closes a pool, and gives it all the time that it may take. */
  async close(pool: Pool): Promise<void> {
    const closing = pool.close();
    await this.clock.elapseMs(CLOSE_MS);
    await closing;
  }
}

/** The lease that a trip was given; throws when it has none. */
export function leaseOf({ ends: [end] }: BenchedTrip): Lease {
  if (end !== undefined && 'result' in end && end.result instanceof Lease) return end.result;
  throw new Error('no lease');
}
