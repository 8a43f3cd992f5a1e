// Our pool as a `pg.Pool`: what Kysely, Drizzle, TypeORM and hand-written code expect of one.
import { EventEmitter } from 'node:events';
import { UsageError } from '../kernel/errors.js';
import type { BorrowPlace } from '../pool/borrow-sampler.js';
import type { Lease } from '../pool/lease.js';
import type { PoolStats } from '../pool/pool-stats.js';
import type { Statement } from '../query/query.js';
import type { Caller } from '../query/trip.js';
import { JoinedSeat } from './joined-seat.js';
import { answer, asked, isSubmittable, readCall, tell } from './pg-call.js';
import type { PgCall } from './pg-call.js';
import { asPgError } from './pg-error.js';
import { PgPoolClient } from './pg-pool-client.js';
import type { PgPoolClientParts } from './pg-pool-client.js';
import type { PgPoolParts } from './pg-pool-parts.js';
import type { PgCallback, PgPoolOptions, PgQueryConfig, PgResult } from './pg-pool.types.js';
import { OwnSeat } from './pg-seat.js';
import { RoleDesk } from './role-desk.js';
import { readCommand } from './transaction-command.js';
import { VirtualSeat } from './virtual-seat.js';
import type { VirtualSeatParts } from './virtual-seat.js';

/** Told about a client, or why there is none. */
export type PgConnectCallback = (
  error: Error | undefined,
  client: PgPoolClient | undefined,
  release: (error?: unknown) => void,
) => void;

/** Events of `pg-pool`; each promises something only while somebody listens. */
const EVENTS = ['connect', 'acquire', 'release', 'remove'] as const;

/**
 * Accepts what `pg.Pool` accepts. Inside `db.transaction()` and `db.session()` its statements and clients use the
 * connection of that callback. The module owns the connections: `end()` closes nothing.
 */
export class PgPool extends EventEmitter {
  readonly options: PgPoolOptions;
  /** Backends that a 'connect' was emitted for. */
  private readonly seen = new WeakSet<object>();
  private readonly roleDesk: RoleDesk;
  private readonly clientParts: PgPoolClientParts;
  private readonly virtualParts: VirtualSeatParts;

  constructor(private readonly parts: PgPoolParts) {
    super();
    const { max, min, idleTimeoutMs, acquireTimeoutMs, maxLifetimeMs } = parts.options;
    this.options = {
      max,
      min,
      idleTimeoutMillis: idleTimeoutMs,
      connectionTimeoutMillis: acquireTimeoutMs,
      maxLifetimeSeconds: maxLifetimeMs / 1_000,
      maxUses: Number.POSITIVE_INFINITY,
      allowExitOnIdle: false,
    };
    const { ambient, classifier, clock, desk, guard, role, stats, timeoutMs } = parts;
    this.roleDesk = new RoleDesk(parts);
    this.clientParts = {
      clock,
      guard,
      timeoutMs,
      released: (client, error, isDestroyed) => {
        this.emit('release', error, client);
        if (isDestroyed) this.emit('remove', client);
      },
    };
    this.virtualParts = {
      ambient,
      classifier,
      clock,
      desk,
      roleDesk: this.roleDesk,
      node: () => stats()[0]?.node ?? role,
    };
  }

  get totalCount(): number {
    return this.sum(({ total }) => total);
  }

  get idleCount(): number {
    return this.sum(({ idle }) => idle);
  }

  get waitingCount(): number {
    return this.sum(({ waiting }) => waiting);
  }

  /** Connections over their age are replaced when they come back; they are not counted apart. */
  get expiredCount(): number {
    return 0;
  }

  get ending(): boolean {
    return this.parts.state() !== 'open';
  }

  get ended(): boolean {
    return this.parts.state() === 'ended';
  }

  /** A client, until its `release()`. */
  connect(): Promise<PgPoolClient>;
  connect(callback: PgConnectCallback): void;
  /** Never called: lets the type checker take this for a `pg.Pool`. */
  connect(...args: never[]): never;
  connect(callback?: PgConnectCallback): unknown {
    const taken = this.take();
    if (callback === undefined) return Promise.resolve(taken);
    const told = (client: PgPoolClient): void =>
      process.nextTick(callback, undefined, client, client.release);
    if (taken instanceof PgPoolClient) told(taken);
    else {
      taken.then(told, (error: unknown) =>
        process.nextTick(callback, error, undefined, () => undefined),
      );
    }
    return undefined;
  }

  /** @internal As {@link connect}, in the shape in which TypeORM wants it: one promise, and no tick of the process. */
  lend(): Promise<[PgPoolClient, PgPoolClient['release']]> {
    const taken = this.take();
    return taken instanceof PgPoolClient
      ? Promise.resolve([taken, taken.release])
      : taken.then((client) => [client, client.release]);
  }

  /** Runs one statement on any connection. */
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    values?: readonly unknown[],
  ): Promise<PgResult<Row>>;
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    callback: PgCallback<Row>,
  ): void;
  query<Row = Record<string, unknown>>(
    statement: string | PgQueryConfig,
    values: readonly unknown[],
    callback: PgCallback<Row>,
  ): void;
  /** Never called: lets the type checker take this for a `pg.Pool`. */
  query(...args: never[]): never;
  query(...args: unknown[]): unknown {
    const call = readCall(args);
    if (call instanceof UsageError) return Promise.reject(call);
    const promise = asked((caller) => this.run(call, caller));
    return answer(promise, call.callback);
  }

  /** Resolves at once: the module closes its connections when the application shuts down. */
  end(): Promise<void>;
  end(callback: (error?: Error) => void): void;
  end(callback?: (error?: Error) => void): unknown {
    if (callback === undefined) return Promise.resolve();
    process.nextTick(callback);
    return undefined;
  }

  private run({ what, timeoutMs }: PgCall, caller: Caller<PgResult>): void {
    this.requireEntry();
    if (isSubmittable(what)) {
      throw new UsageError(
        'A cursor or stream needs a client of its own: const client = await pool.connect().',
      );
    }
    this.requireNoBoundary(what);
    const limitMs = timeoutMs ?? this.parts.timeoutMs?.();
    if (this.isWatched) {
      tell(caller, this.onClient(what, limitMs));
      return;
    }
    const { ambient } = this.parts;
    const pinned = ambient.scope;
    const holding = ambient.holdingBeside(pinned);
    this.roleDesk.send(what, { timeoutMs: limitMs, pinned, holding }, caller);
  }

  /** True when somebody waits for the events of `pg-pool`: then each statement goes through a client, as there. */
  private get isWatched(): boolean {
    return EVENTS.some((event) => this.listenerCount(event) > 0);
  }

  private async onClient(statement: Statement, limitMs: number | undefined): Promise<PgResult> {
    const client = await this.take();
    try {
      return await client.query({ ...(statement as PgQueryConfig), query_timeout: limitMs });
    } finally {
      client.release();
    }
  }

  /** A client: at once, unless it has to wait for a connection. */
  private take(): PgPoolClient | Promise<PgPoolClient> {
    try {
      this.requireEntry();
      const { scope } = this.parts.ambient;
      if (scope === undefined) return this.checkOut();
      scope.requireActive();
      return new PgPoolClient(new JoinedSeat(scope, this.parts), this.clientParts);
    } catch (error) {
      const shown = asPgError(error) as Error;
      return Promise.reject(shown);
    }
  }

  private checkOut(): PgPoolClient | Promise<PgPoolClient> {
    const borrowedAt = this.parts.sampler.sample();
    if (!this.isVirtual) return this.borrow(borrowedAt);
    return new PgPoolClient(new VirtualSeat(borrowedAt, this.virtualParts), this.clientParts);
  }

  private async borrow(borrowedAt: BorrowPlace | undefined): Promise<PgPoolClient> {
    const { ambient, desk } = this.parts;
    try {
      const { holding } = ambient;
      const lease = await new Promise<Lease>((resolve, reject) =>
        this.roleDesk.borrow({ holding }, borrowedAt, { resolve, reject }),
      );
      const client = new PgPoolClient(new OwnSeat(lease, desk), this.clientParts);
      return this.announced(lease, client);
    } catch (error) {
      throw asPgError(error);
    }
  }

  /** Who listens to the pool's events is told of connections; a pool that closes refuses as it always did. */
  private get isVirtual(): boolean {
    const { options, state } = this.parts;
    return options.virtualClients && !this.isWatched && state() === 'open';
  }

  /** Listeners may send statements: these run before those of the borrower. */
  private announced(lease: Lease, client: PgPoolClient): PgPoolClient {
    try {
      const { connection } = lease;
      if (!this.seen.has(connection)) this.emit('connect', client);
      this.seen.add(connection);
      this.emit('acquire', client);
    } catch (error) {
      client.release(true);
      throw error;
    }
    return client;
  }

  /** BEGIN on any connection would be undone at once; COMMIT would end a transaction of ours. */
  private requireNoBoundary({ text }: Statement): void {
    const verb = readCommand(text)?.verb;
    if (verb === undefined || verb === 'set') return;
    const { scope } = this.parts.ambient;
    if (verb !== 'begin' && (scope === undefined || scope.kind === 'session')) return;
    throw new UsageError(
      'pool.query() neither begins nor ends transactions. Take a client by connect(), or use db.transaction().',
    );
  }

  private requireEntry(): void {
    const refusal = this.parts.refusal?.();
    if (refusal !== undefined) throw refusal;
  }

  private sum(figure: (stats: PoolStats) => number): number {
    return this.parts.stats().reduce((total, stats) => total + figure(stats), 0);
  }
}
