// Whether a pooler stands between us and a server, and whether a connection to it keeps its backend.
import type { Clock } from '../kernel/clock.js';
import { ask } from './ask.js';
import type { AskedConnection } from './ask.js';

/**
 * `none`: a connection is a session on the server. `session`: a pooler in between keeps one backend for each
 * connection. `transaction`: it gives each transaction, or statement, whichever backend is free: what a session
 * sets (LISTEN, SET, advisory locks, temporary tables, prepared statements) is lost, or met by somebody else.
 */
export type Pooling = 'none' | 'session' | 'transaction';

/** What a search works with. */
export interface PoolingSearch {
  /** Opens another connection to the same address. */
  readonly connect: () => Promise<AskedConnection>;
  readonly clock: Clock;
  /** Longest time of one question, in ms. */
  readonly timeoutMs: number;
}

const PID = 'SELECT pg_backend_pid() AS pid';

/** Questions to either connection; a pooler under load moves one of them long before that. */
const ROUNDS = 4;

/** The process that answers on a connection just now. */
export async function fetchPid(
  connection: AskedConnection,
  limits: Pick<PoolingSearch, 'clock' | 'timeoutMs'>,
): Promise<number> {
  const [row] = await ask<{ readonly pid: number }>(connection, PID, limits);
  return row?.pid ?? connection.backendPid;
}

/**
 * Finds out by trying, for no pooler says what it is. It invents the process id that it gives a new connection, so one
 * that differs from the backend's tells a pooler; and two open connections that meet the same backend, or one that
 * meets two, tell that it shares backends. `pid` is what the backend on `connection` says.
 */
export async function findPooling(
  connection: AskedConnection,
  pid: number,
  search: PoolingSearch,
): Promise<Pooling> {
  if (pid === connection.backendPid) return 'none';
  const other = await search.connect();
  try {
    // At rest a pooler gives the backend that it got back last; under load hardly ever the same one twice.
    for (let round = 0; round < ROUNDS; round++) {
      if ((await fetchPid(other, search)) === pid) return 'transaction';
      if ((await fetchPid(connection, search)) !== pid) return 'transaction';
    }
    return 'session';
  } finally {
    other.destroy();
  }
}

/** Remembers what was found about the connection of a probe, and looks again when it answers from elsewhere. */
export class PoolingWatch {
  private known: Pooling | undefined;
  private connection: AskedConnection | undefined;
  private pid = 0;

  constructor(private readonly search: PoolingSearch) {}

  /** The probe's connection answered from backend `pid`. Undefined when it cannot be told this time. */
  async look(connection: AskedConnection, pid: number): Promise<Pooling | undefined> {
    const isSame = connection === this.connection;
    const hasMoved = isSame && pid !== this.pid;
    this.connection = connection;
    this.pid = pid;
    if (hasMoved) this.known = 'transaction';
    else if (!isSame || this.known === undefined) this.known = await this.find(connection, pid);
    return this.known;
  }

  /** A second connection that cannot be had, as in a full pool, is no failure of the node: it is tried again. */
  private async find(connection: AskedConnection, pid: number): Promise<Pooling | undefined> {
    try {
      return await findPooling(connection, pid, this.search);
    } catch {
      return undefined;
    }
  }
}
