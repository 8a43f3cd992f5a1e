// Everything that one instance is made of, put together and taken apart again.
import { systemClock } from './kernel/clock.js';
import type { Clock } from './kernel/clock.js';
import { Closers } from './kernel/closers.js';
import { ShutdownError, UsageError } from './kernel/errors.js';
import { Events } from './kernel/events.js';
import { listenPlaces } from './database.listen.js';
import { DatabaseOps } from './database.ops.js';
import type { ResolvedOptions } from './database.options.js';
import { databasePipeline } from './database.pipeline.js';
import { waitForPrimary } from './database.startup.js';
import { buildStation } from './database.station.js';
import type { Station } from './database.station.js';
import type { Driver } from './driver/driver.js';
import { pgDriver } from './driver/pg-driver.js';
import { Notifications } from './notifications/notifications.js';
import { BorrowSampler } from './pool/borrow-sampler.js';
import type { PoolControl } from './pool/pool-control.js';
import type { PoolStats } from './pool/pool-stats.js';
import { Classifier, loadParser } from './query/classify.js';
import { TripDesk } from './query/trip-desk.js';
import type { CircuitSnapshot } from './resilience/circuit-breaker.js';
import { ConsistencyContexts } from './routing/consistency-context.js';
import { ConsistencyStage } from './routing/consistency.stage.js';
import type { NodeSnapshot } from './routing/node.js';
import { RoutingStage } from './routing/routing.stage.js';
import { Topology } from './routing/topology.js';
import { Ambient } from './transaction/ambient.js';
import { ForeignGuard } from './transaction/foreign-guard.js';
import { TransactionRunner } from './transaction/transaction-runner.js';

/** Where an instance stands in its life. */
export type LifeState = 'created' | 'starting' | 'running' | 'closing' | 'closed';

/** An instance as it is seen from outside. */
export interface DatabaseStatus {
  readonly name: string;
  readonly state: LifeState;
  readonly nodes: readonly NodeSnapshot[];
  readonly pools: readonly PoolStats[];
  readonly circuits: readonly CircuitSnapshot[];
}

/** What a core is given beside its options. */
export interface CoreParts {
  /** @default `pg` */
  readonly driver?: Driver;
  /** @default the real one */
  readonly clock?: Clock;
  /** Stops the server that was started for this instance; the last thing to be done. */
  readonly stopServer?: (() => Promise<void>) | undefined;
}

/** The parts of one instance. Constructing it touches no server. */
export class DatabaseCore {
  readonly events = new Events();
  readonly ambient = new Ambient();
  readonly contexts = new ConsistencyContexts();
  readonly classifier = new Classifier();
  readonly sampler = new BorrowSampler(this.events);
  readonly clock: Clock;
  readonly desk: TripDesk;
  readonly topology: Topology;
  readonly guard: ForeignGuard;
  readonly runner: TransactionRunner;
  readonly notifications: Notifications;
  readonly ops: DatabaseOps;
  /** Whether the position of each write is asked for. */
  readonly tracksWrites: boolean;
  private readonly stations: readonly Station[];
  private readonly closers = new Closers();
  private state: LifeState = 'created';
  private readonly stopping = new AbortController();
  private starting: Promise<void> | undefined;

  constructor(
    readonly options: ResolvedOptions,
    parts: CoreParts = {},
  ) {
    const { clock = systemClock, driver = pgDriver, stopServer } = parts;
    if (stopServer !== undefined) this.closers.add(stopServer);
    const { events, ambient } = this;
    this.clock = clock;
    this.stations = options.nodes.map((node) =>
      buildStation(node, { clock, events, options, driver, topology: () => this.topology }),
    );
    const { probeIntervalMs } = options.routing;
    this.topology = new Topology(this.stations, { clock, events, probeIntervalMs });
    const { trackWrites } = options.routing;
    this.tracksWrites = trackWrites === 'auto' ? options.nodes.length > 1 : trackWrites;
    const consistency = new ConsistencyStage({
      contexts: this.contexts,
      topology: this.topology,
      options: options.routing,
      clock,
      tracks: this.tracksWrites,
      isPure: (text) => this.classifier.classify(text).kind === 'pure',
    });
    const routing = new RoutingStage(this.topology, options.routing, clock);
    this.desk = new TripDesk(options.name, clock, events, databasePipeline(consistency, routing));
    this.guard = new ForeignGuard(ambient, events, options.transaction.foreignConnections);
    this.runner = new TransactionRunner({
      desk: this.desk,
      ambient,
      guard: this.guard,
      clock,
      events,
      defaults: options.transaction,
      backoff: options.retry,
      sampler: this.sampler,
      topology: this.topology,
    });
    const { connectTimeoutMs, closeTimeoutMs } = options.pool;
    const { listen, nodes } = options;
    this.notifications = new Notifications({
      clock,
      events,
      options: listen,
      locate: listenPlaces({ listen, nodes, connectTimeoutMs, driver, topology: this.topology }),
      outside: (run) => ambient.run(undefined, run),
      closeTimeoutMs,
    });
    this.ops = new DatabaseOps({
      options,
      clock,
      events,
      view: {
        nodes: () => this.nodes(),
        pools: () => this.pools(),
        circuits: () => this.circuits(),
        isClosing: () => this.isClosing,
      },
    });
  }

  /**
   * Begins to connect; waits for the primary when `startup` says so. Calls share one promise.
   * @throws ConnectionError when the primary cannot be reached.
   */
  start(): Promise<void> {
    return (this.starting ??= this.open());
  }

  /** From now on the instance is not ready, yet serves what is under way. */
  announceClosing(): void {
    if (this.state !== 'closed') this.state = 'closing';
  }

  /** Drains the pools within their `closeTimeoutMs`. Calls share one promise; never pends. */
  async close(): Promise<void> {
    this.announceClosing();
    this.stopping.abort(new ShutdownError('The instance closed before it had started.'));
    // The failure of a start is its caller's to see; here only its end matters.
    await this.starting?.catch(() => undefined);
    await this.closers.close();
    this.ambient.dispose();
    this.contexts.dispose();
    this.state = 'closed';
  }

  /** Adds a step that is done before the pools close. */
  onClose(step: () => Promise<void> | void): void {
    this.closers.add(step);
  }

  /** True from the first sign of shutdown. */
  get isClosing(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  pools(): PoolStats[] {
    return this.stations.map(({ pool }) => pool.stats());
  }

  /**
   * Control of the pool of one node, or of all.
   * @throws UsageError when there is no such node.
   */
  controlsOf(node: string | undefined): PoolControl[] {
    const pools = this.stations.map(({ pool }) => pool);
    const chosen = pools.filter(({ node: name }) => node === undefined || name === node);
    if (chosen.length > 0) return chosen.map(({ control }) => control);
    const names = pools.map(({ node: name }) => name).join(', ');
    throw new UsageError(`There is no node "${node}". The nodes are: ${names}.`);
  }

  circuits(): CircuitSnapshot[] {
    return this.stations.map(({ breaker }) => breaker.snapshot());
  }

  nodes(): NodeSnapshot[] {
    return this.stations.map(({ node }) => node.snapshot());
  }

  status(): DatabaseStatus {
    return {
      name: this.options.name,
      state: this.state,
      nodes: this.nodes(),
      pools: this.pools(),
      circuits: this.circuits(),
    };
  }

  private async open(): Promise<void> {
    this.state = 'starting';
    // First to listen and last to leave: the log tells the closing of the pools too.
    this.ops.listen();
    this.closers.add(() => this.ops.deafen());
    this.closers.add(() => this.topology.stop());
    this.closers.add(async () => {
      await Promise.all(this.stations.map(({ pool }) => pool.close()));
    });
    // Before the pools: handlers under way may still ask something.
    this.closers.add(() => this.notifications.stop());
    await loadParser();
    this.topology.start();
    for (const { pool } of this.stations) pool.start();
    const { startup } = this.options;
    if (startup.waitForDatabase) {
      try {
        await waitForPrimary(this.topology, startup, this.clock, this.stopping.signal);
      } catch (error) {
        await this.closers.close();
        throw error;
      }
    }
    if (this.state === 'starting') this.state = 'running';
  }
}
