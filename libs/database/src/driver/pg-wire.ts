// The parts of `pg` that its type declarations leave out, named in one place.
import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
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

/** As much as Node reads at a time, in bytes. */
const READ_BYTES = 65_536;

/**
 * A socket that offers what it receives to `takes`, in a buffer that the next bytes are written into: a tenth of the CPU
 * of a short statement goes into a new buffer for each read, and into the events of a stream. What is not taken comes as
 * 'data', as from any socket.
 */
export function newSocket(takes: (chunk: Buffer) => boolean): Socket {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const callback = (bytes: number): boolean => {
    const chunk = buffer.subarray(0, bytes);
    // What waits to be read as a stream goes first.
    if (socket.readableLength === 0 && takes(chunk)) return true;
    return socket.push(Buffer.from(chunk));
  };
  // Documented for connect(), which hands it to this constructor; its types leave it out.
  const options: object = { onread: { buffer, callback } };
  const socket = new Socket(options);
  return socket;
}

/** A bare protocol without a session, for a CancelRequest. */
export function newWire(ssl: ConnectionOptions | false): PgWire {
  const { Connection } = pg as unknown as { Connection: new (config: object) => PgWire };
  return new Connection({ ssl });
}
