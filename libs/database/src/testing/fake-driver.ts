// A driver for tests: opens fake connections, or fails to, as the test says.
import type { Clock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';
import type { Connection, Driver } from '../driver/driver.js';
import type { ConnectionTarget } from '../driver/target.js';
import { FakeConnection } from './fake-connection.js';
import type { FakeScript } from './fake-connection.js';

/** How an attempt to connect ends. */
export interface FakeConnect {
  readonly error?: ConnectionError;
  /** Time it takes, in ms of the clock; longer than the timeout of the caller, it fails. */
  readonly afterMs?: number;
  /** The server never answers. */
  readonly hangs?: boolean;
  /** The session is over as soon as it is there, for this reason. */
  readonly loses?: string;
}

/** Decides how an attempt ends, counted from 1; undefined opens the connection. */
export type FakeConnectScript = (attempt: number) => FakeConnect | undefined;

/** What nobody listens to: the error that a closed port gives. */
export function refusedConnection(): ConnectionError {
  const message = 'Cannot connect to fake:5432/db: ECONNREFUSED.';
  return new ConnectionError(message, { safeToRetry: true, outage: true });
}

/** Opens connections to a server that does not exist. */
export class FakeDriver implements Driver {
  /** Every connection that was ever opened, the oldest first. */
  readonly connections: FakeConnection[] = [];
  /** Attempts to connect. */
  attempts = 0;
  /** Attempts under way. */
  connecting = 0;
  /** Time that saying goodbye takes, in ms of the clock. */
  endMs = 0;
  /** Time a CancelRequest is on its way, in ms of the clock. */
  cancelMs = 0;
  /** What statements are answered; may be changed at any time. */
  script: FakeScript = () => undefined;
  /** How attempts to connect end; may be changed at any time. */
  connectScript: FakeConnectScript = () => undefined;

  constructor(private readonly clock: Clock) {}

  /** Connections whose session stands. */
  get open(): FakeConnection[] {
    return this.connections.filter(({ isUsable }) => isUsable);
  }

  /** The texts that all connections were given. */
  get texts(): string[] {
    return this.connections.flatMap(({ statements }) => statements.map(({ text }) => text));
  }

  async connect(_target: ConnectionTarget, timeoutMs: number): Promise<Connection> {
    const plan = this.connectScript(++this.attempts) ?? {};
    this.connecting++;
    try {
      await this.wait(plan, timeoutMs);
    } finally {
      this.connecting--;
    }
    if (plan.error !== undefined) throw plan.error;
    const connection = new FakeConnection({
      backendPid: 1_000 + this.connections.length,
      clock: this.clock,
      script: (statement, asked) => this.script(statement, asked),
      endMs: this.endMs,
      cancelMs: this.cancelMs,
    });
    this.connections.push(connection);
    if (plan.loses !== undefined) connection.lose(plan.loses);
    return connection;
  }

  private async wait(plan: FakeConnect, timeoutMs: number): Promise<void> {
    const neededMs = plan.hangs === true ? Number.POSITIVE_INFINITY : (plan.afterMs ?? 0);
    if (neededMs === 0) return;
    await this.clock.sleep(Math.min(neededMs, timeoutMs));
    if (neededMs <= timeoutMs) return;
    const message = `Cannot connect to fake:5432/db: no answer within ${timeoutMs} ms.`;
    throw new ConnectionError(message, { safeToRetry: true, outage: true });
  }
}
