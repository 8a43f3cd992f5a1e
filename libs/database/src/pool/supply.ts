// Where the connections come from that a pool lends: new ones, and rested ones that turn out to live.
import type { ConnectionError } from '../kernel/errors.js';
import type { Connection } from '../driver/driver.js';
import type { Admission } from './admission.js';
import { Connector } from './connector.js';
import type { ConnectorParts } from './connector.js';
import { REASONS } from './pool-control.js';
import type { PoolControl } from './pool-control.js';
import type { PoolOptions } from './pool.options.js';
import { PooledConnection } from './pooled-connection.js';
import { answers, sayGoodbye } from './session-care.js';

/** The pool as its supply sees it. */
export interface SuppliedPool {
  /** As they are now: a pool may be resized. */
  readonly options: PoolOptions;
  readonly connections: ReadonlySet<PooledConnection>;
  readonly isServing: boolean;
  readonly isClosing: boolean;
  readonly admission: Pick<Admission, 'queue' | 'refuseAll'>;
  readonly control: Pick<PoolControl, 'isSuspended' | 'missing'>;
  /** A new connection is the pool's. */
  add(pooled: PooledConnection): void;
  /** A connection that was asked whether it lives has answered. */
  accept(pooled: PooledConnection): void;
  discard(pooled: PooledConnection, reason: string): void;
}

/**
 * Connections on their way to those who wait: how many are opened, whether one that rested still lives, and what
 * follows when opening fails.
 */
export class Supply {
  /** Opens them one by one, and counts failures. */
  readonly connector: Connector;
  /** Connections that are asked whether they live. */
  private validating = 0;

  constructor(
    private readonly pool: SuppliedPool,
    private readonly parts: ConnectorParts,
  ) {
    this.connector = new Connector(parts, {
      opened: (connection) => this.opened(connection),
      failed: (error) => this.failed(error),
    });
  }

  /** Connections that may still be opened, or turn out to live: whoever waits for one does not wait for others. */
  get coming(): number {
    const { connections, options } = this.pool;
    return Math.max(0, options.max - connections.size + this.validating);
  }

  /** Opens what is missing: for those who wait, up to `min`, and in place of what was replaced. */
  grow(): void {
    const { admission, connections, control, isClosing, isServing, options } = this.pool;
    if (isClosing) return;
    const { max, min } = options;
    const { connecting } = this.connector;
    const { queue } = admission;
    const have = connections.size + connecting;
    const waiting = isServing ? queue.size : queue.nestedSize;
    const wanted = isServing ? Math.max(min - have, control.missing - connecting) : 0;
    this.connector.open(
      Math.min(Math.max(waiting - connecting - this.validating, wanted), max - have),
    );
  }

  /** Asks a connection that nobody has whether it lives; the pool takes it back then, or another one is opened. */
  async validate(pooled: PooledConnection): Promise<void> {
    this.validating++;
    const lives = await answers(pooled);
    this.validating--;
    if (lives) this.pool.accept(pooled);
    else this.pool.discard(pooled, 'it did not answer any more');
    // When it was lost meanwhile, be it right behind its answer, its discard came while it still counted.
    this.grow();
  }

  /** Nothing is opened later; resolves when the attempts under way have ended. */
  stop(): Promise<void> {
    return this.connector.stop();
  }

  private opened(connection: Connection): void {
    const { connections, isClosing, options } = this.pool;
    if (isClosing) this.turnAway(connection, 'the pool closed while it was opened');
    else if (connections.size >= options.max) this.turnAway(connection, REASONS.surplus);
    else this.pool.add(new PooledConnection(connection, this.parts.clock, options, this.parts));
  }

  private turnAway(connection: Connection, reason: string): void {
    const { node, events } = this.parts;
    events.emit('connection:closed', { node, backendPid: connection.backendPid, reason });
    sayGoodbye(connection);
  }

  /** Nobody can be served when there is no connection at all; otherwise those who wait may be. */
  private failed(error: ConnectionError): void {
    const { admission, connections, control } = this.pool;
    const hasNone = connections.size + this.connector.connecting === 0;
    // Those who wait for the end of a suspension do not wait for a server that is away meanwhile.
    if (hasNone && !control.isSuspended) admission.refuseAll(error);
    else this.connector.retryLater(() => this.grow());
  }
}
