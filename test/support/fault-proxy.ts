// A TCP proxy in front of a server that fails in the way a test wants, at the moment it wants.
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';

/**
 * What the proxy does with connections, old and new ones alike:
 * - `pass`: both directions flow.
 * - `blackhole`: it accepts and swallows everything, both ways; nobody hears of the other's end.
 * - `drop-responses`: the server gets and runs everything, its answers are swallowed.
 * - `drop-requests`: the server's messages flow, the client's are swallowed.
 * - `reset`: every connection gets a RST, at once or as soon as it is made.
 * - `refuse`: nobody listens; connections that exist flow on.
 *
 * What was swallowed is lost: after going back to `pass`, end the old connections by `killAll`.
 */
export type FaultMode =
  'pass' | 'blackhole' | 'drop-responses' | 'drop-requests' | 'reset' | 'refuse';

/** Where the proxy leads to. */
export interface FaultProxyOptions {
  readonly targetPort: number;
  /** @default '127.0.0.1' */
  readonly targetHost?: string;
  /** @default 'pass' */
  readonly mode?: FaultMode;
  /** Added to every piece of data, each way, in ms. @default 0 */
  readonly delayMs?: number;
}

/** What happened since the start. */
export interface FaultCounters {
  accepted: number;
  /** Connections that got a RST. */
  reset: number;
  bytesToServer: number;
  bytesToClient: number;
  /** Times that a client had its answer and sent something again. */
  roundTrips: number;
  bytesSwallowed: number;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** The client has sent something that the server has not answered yet. */
  asks: boolean;
}

/** A running proxy on 127.0.0.1. Made by {@link startFaultProxy}; keeps its port while it refuses. */
export class FaultProxy {
  /** Added to every piece of data from now on, each way, in ms. */
  delayMs: number;
  readonly counters: FaultCounters = {
    accepted: 0,
    reset: 0,
    bytesToServer: 0,
    bytesToClient: 0,
    roundTrips: 0,
    bytesSwallowed: 0,
  };
  private current: FaultMode = 'pass';
  private listener: Server | undefined;
  private readonly links = new Set<Link>();
  private ambush: { readonly text: string; readonly strike: () => void } | undefined;

  /** Use {@link startFaultProxy}. */
  constructor(
    readonly port: number,
    private readonly target: { readonly host: string; readonly port: number },
    delayMs: number,
  ) {
    this.delayMs = delayMs;
  }

  get mode(): FaultMode {
    return this.current;
  }

  /** Connections that are open on the client's side. */
  get connections(): number {
    return [...this.links].filter((link) => !link.client.destroyed).length;
  }

  /** The same URL, through the proxy. */
  url(direct: string): string {
    const url = new URL(direct);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** Changes what happens, at once. */
  async setMode(mode: FaultMode): Promise<void> {
    this.current = mode;
    if (mode === 'reset') this.killAll();
    if (mode === 'pass') this.endHalfOpen();
    if (mode === 'refuse') this.unlisten();
    else await this.listen();
  }

  /**
   * Waits for a client to send `text`, then changes the mode; resolves when that has happened. The message itself
   * still reaches the server, except by `drop-requests` and `blackhole`.
   */
  strikeOn(text: string, mode: Exclude<FaultMode, 'pass' | 'refuse' | 'reset'>): Promise<void> {
    return new Promise((resolve) => {
      const strike = (): void => {
        this.ambush = undefined;
        this.current = mode;
        resolve();
      };
      this.ambush = { text, strike };
    });
  }

  /** Ends all connections by a RST to both sides. */
  killAll(): void {
    for (const link of this.links) {
      this.counters.reset += 1;
      reset(link.client);
      reset(link.server);
    }
    this.links.clear();
  }

  /** Stops listening and ends all connections. Idempotent. */
  async stop(): Promise<void> {
    const { listener } = this;
    this.unlisten();
    this.killAll();
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve));
  }

  private async listen(): Promise<void> {
    if (this.listener !== undefined) return;
    this.listener = createServer((client) => this.accept(client));
    this.listener.listen(this.port, '127.0.0.1');
    await once(this.listener, 'listening');
  }

  private unlisten(): void {
    this.listener?.close();
    this.listener = undefined;
  }

  private accept(client: Socket): void {
    this.counters.accepted += 1;
    if (this.current === 'reset') {
      this.counters.reset += 1;
      reset(client);
      return;
    }
    const server = connect(this.target);
    const link = { client, server, asks: false };
    this.links.add(link);
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.pump(link, client, server);
    this.pump(link, server, client);
  }

  /** One direction of a link. */
  private pump(link: Link, from: Socket, to: Socket): void {
    const toServer = to === link.server;
    const silent = toServer ? 'drop-requests' : 'drop-responses';
    let dueAt = 0;
    const later = (act: () => void): void => {
      // Never before the piece that came before, even when the delay was made shorter.
      dueAt = Math.max(dueAt, performance.now() + this.delayMs);
      const waitMs = dueAt - performance.now();
      if (waitMs <= 0) act();
      else setTimeout(act, waitMs);
    };
    from.on('data', (chunk: Buffer) => {
      if (toServer && !link.asks) this.counters.roundTrips += 1;
      link.asks = toServer;
      later(() => {
        if (toServer && this.ambush !== undefined && chunk.includes(this.ambush.text)) {
          this.ambush.strike();
        }
        if (this.current === 'blackhole' || this.current === silent) {
          this.counters.bytesSwallowed += chunk.length;
        } else if (to.writable) {
          this.counters[toServer ? 'bytesToServer' : 'bytesToClient'] += chunk.length;
          to.write(chunk);
        }
      });
    });
    // A reset, or a server that does not answer: 'close' follows.
    from.on('error', () => undefined);
    from.on('close', () => {
      later(() => {
        if (this.current === 'blackhole' || this.current === silent) return;
        if (from.errored) reset(to);
        else to.end();
        if (to.destroyed) this.links.delete(link);
      });
    });
  }

  /** What ended while nobody was told. */
  private endHalfOpen(): void {
    for (const link of this.links) {
      if (!link.client.destroyed && !link.server.destroyed) continue;
      link.client.destroy();
      link.server.destroy();
      this.links.delete(link);
    }
  }
}

/** A RST, unless the end was sent already: a reset on top of it fails (EINVAL) and leaks the socket. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Starts a proxy in front of a server on this machine. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const target = { host: options.targetHost ?? '127.0.0.1', port: options.targetPort };
  // A port that no outgoing connection can take while the proxy refuses.
  const port = await findFreePort(randomUUID());
  const proxy = new FaultProxy(port, target, options.delayMs ?? 0);
  await proxy.setMode(options.mode ?? 'pass');
  return proxy;
}
