// The parts of `pg` that its type declarations leave out, named in one place.
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { Client } from 'pg';

/** `pg.Connection`: the protocol on one socket. */
export interface PgWire extends EventEmitter {
  stream: Socket;
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

interface ClientParts {
  readonly connection: PgWire;
  readonly processID: number | null;
  readonly secretKey: number | null;
  /** False from the first error of the socket on. */
  readonly _queryable: boolean;
  /** True once the socket is closed. */
  readonly _ended: boolean;
  getTransactionStatus(): 'I' | 'T' | 'E' | null;
}

/** The inner parts of a client. */
export function partsOf(client: Client): ClientParts {
  return client as unknown as ClientParts;
}

/** Whether a client still talks to its server. */
export function isAlive(client: Client): boolean {
  const { _queryable, _ended } = partsOf(client);
  return _queryable && !_ended;
}

/** The protocol of a client. */
export function wireOf(client: Client): PgWire {
  return partsOf(client).connection;
}

/** A bare protocol without a session, for a CancelRequest. */
export function newWire(ssl: ConnectionOptions | false): PgWire {
  const { Connection } = pg as unknown as { Connection: new (config: object) => PgWire };
  return new Connection({ ssl });
}
