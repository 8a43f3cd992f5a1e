// Everything that one instance is made of, put together and taken apart again.
import { systemClock } from './kernel/clock.js';
import type { Clock } from './kernel/clock.js';
import { Closers } from './kernel/closers.js';
import { ShutdownError } from './kernel/errors.js';
import { Events } from './kernel/events.js';
import type { ResolvedNode } from './database.hosts.js';
import { DatabaseOps } from './database.ops.js';
import type { ResolvedOptions } from './database.options.js';
import { databasePipeline, nodeChain } from './database.pipeline.js';
import { waitForPrimary } from './database.startup.js';
import type { Driver } from './driver/driver.js';
import { pgDriver } from './driver/pg-driver.js';
import { BorrowSampler } from './pool/borrow-sampler.js';
import { Pool } from './pool/pool.js';
import { PoolStage } from './pool/pool.stage.js';
import type { PoolStats } from './pool/pool-stats.js';
import { Classifier, loadParser } from './query/classify.js';
import { TripDesk } from './query/trip-desk.js';
import { CircuitBreaker } from './resilience/circuit-breaker.js';
import type { CircuitSnapshot } from './resilience/circuit-breaker.js';
import { ResilienceStage } from './resilience/resilience.stage.js';
import { RetryBudget } from './resilience/retry-budget.js';
import { ConsistencyContexts } from './routing/consistency-context.js';
import { ConsistencyStage } from './routing/consistency.stage.js';
import { NodeProbe } from './routing/node-probe.js';
import { Node } from './routing/node.js';
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

/** One server with all that belongs to it. */
interface Station {
  readonly node: Node;
  readonly pool: Pool;
  readonly breaker: CircuitBreaker;
  readonly probe: NodeProbe;
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
  readonly ops: DatabaseOps;
  /** Whether the position of each write is asked for. */
  readonly tracksWrites: boolean;
  private readonly driver: Driver;
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
    this.driver = driver;
    this.stations = options.nodes.map((node) => this.build(node));
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

  private build({ name, declaredRole, target }: ResolvedNode): Station {
    const { clock, events, options } = this;
    const poolOptions = declaredRole === 'replica' ? options.replicaPool : options.pool;
    const connect = (): ReturnType<Driver['connect']> =>
      this.driver.connect(target, poolOptions.connectTimeoutMs);
    const pool = new Pool({ node: name, options: poolOptions, clock, events, connect });
    const breaker = new CircuitBreaker(name, options.breaker, clock, events);
    const resilience = new ResilienceStage({
      node: name,
      clock,
      retry: options.retry,
      budget: new RetryBudget(options.retry.budgetRatio),
      breaker,
      defaultTimeoutMs: poolOptions.acquireTimeoutMs + poolOptions.statementTimeoutMs,
    });
    const { probeTimeoutMs } = options.routing;
    const connectProbe = (): ReturnType<Driver['connect']> =>
      this.driver.connect(target, Math.min(poolOptions.connectTimeoutMs, probeTimeoutMs));
    const probe = new NodeProbe(connectProbe, clock, probeTimeoutMs);
    const node = new Node({
      name,
      address: target.label,
      declaredRole,
      clock,
      events,
      enter: nodeChain(resilience, new PoolStage(pool, clock)),
      poolStats: () => pool.stats(),
      isPassable: () => breaker.isPassable,
      isWatched: () => probe.isConnected,
      suspect: () => pool.suspect(),
      sever: () => pool.sever(),
    });
    return { node, pool, breaker, probe };
  }
}
