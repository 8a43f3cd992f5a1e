// The adapter to `pg`: opens clients with their TLS and their deadline.
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import pg from 'pg';
import type { ClientConfig } from 'pg';
import { systemClock } from '../kernel/clock.js';
import { resolveHost, systemLookup, tryEach } from './addresses.js';
import type { Lookup } from './addresses.js';
import type { Connection, ConnectionTraits, Driver } from './driver.js';
import { PgConnection } from './pg-connection.js';
import { newSocket, wireOf } from './pg-wire.js';
import { translateConnectError } from './sqlstate.js';
import type { ConnectFailure } from './sqlstate.js';
import type { ConnectionTarget } from './target.js';
import type { TlsOptions } from './tls.options.js';

function identityCheck(tls: TlsOptions): Pick<ConnectionOptions, 'checkServerIdentity'> {
  if (tls.mode === 'verify-ca') return { checkServerIdentity: () => undefined };
  const { servername } = tls;
  if (servername === undefined) return {};
  // `pg` overwrites the option servername with the host, so the name is checked here.
  return {
    checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
      checkServerIdentity(servername, certificate),
  };
}

/** Options of Node's TLS for a mode; false means clear text. */
function tlsConfig({ host, tls }: ConnectionTarget): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  return {
    rejectUnauthorized: tls.mode !== 'require',
    // The connection goes to an address; the certificate is asked for, and checked, by the name.
    ...(isIP(host) === 0 && !host.startsWith('/') ? { servername: host } : {}),
    ...identityCheck(tls),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

function clientConfig(
  target: ConnectionTarget,
  address: string,
  ssl: ConnectionOptions | false,
  takes: (chunk: Buffer) => boolean,
): ClientConfig {
  return {
    host: address,
    port: target.port,
    user: target.user,
    // Never undefined: `pg` would read ~/.pgpass and warn.
    password: target.password ?? '',
    database: target.database,
    application_name: target.applicationName,
    ssl,
    keepAlive: true,
    // One for TLS is made by `pg`, around another one.
    ...(ssl === false && { stream: () => newSocket(takes) }),
    ...(target.options === undefined ? {} : { options: target.options }),
  };
}

/** Opens one connection to one address. */
async function open(
  target: ConnectionTarget,
  address: string,
  timeoutMs: number,
  traits: ConnectionTraits | undefined,
): Promise<Connection> {
  const ssl = tlsConfig(target);
  const takes = (chunk: Buffer): boolean => connection.takes(chunk);
  const client = new pg.Client(clientConfig(target, address, ssl, takes));
  const connection: PgConnection = new PgConnection(
    client,
    { host: address, port: target.port, ssl },
    traits,
  );
  const seen: { -readonly [Key in keyof ConnectFailure]: ConnectFailure[Key] } = {
    wantsTls: ssl !== false,
    hasTls: false,
    wasClosed: false,
    label: target.label,
  };
  const wire = wireOf(client);
  wire.once('sslconnect', () => (seen.hasTls = true));
  wire.once('end', () => (seen.wasClosed = true));
  // Our own timer: that of `pg` gives an error without a code.
  const timer = systemClock.schedule(() => {
    const error = new Error(`no answer within ${Math.round(timeoutMs)} ms`);
    wire.stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
  }, timeoutMs);
  wire.once('sslconnect', () => connection.adopt());
  try {
    const connecting = client.connect();
    if (ssl === false) connection.adopt();
    await connecting;
    connection.opened();
  } catch (error) {
    connection.destroy();
    throw translateConnectError(error, seen);
  } finally {
    timer.cancel();
  }
  return connection;
}

/** What a driver is given beside its defaults. */
export interface PgDriverParts {
  /** @default the system's */
  readonly lookup?: Lookup;
}

/** Opens connections by `pg.Client`: the name is looked up for each, and all of its addresses are tried. */
export function createPgDriver({ lookup = systemLookup }: PgDriverParts = {}): Driver {
  return {
    async connect(target, timeoutMs, traits) {
      const startedAtMs = systemClock.monotonicMs();
      let addresses: readonly string[];
      try {
        addresses = await resolveHost(target.host, timeoutMs, lookup);
      } catch (error) {
        const seen = { wantsTls: false, hasTls: false, wasClosed: false, label: target.label };
        throw translateConnectError(error, seen);
      }
      const leftMs = timeoutMs - (systemClock.monotonicMs() - startedAtMs);
      return tryEach(addresses, target.label, leftMs, (address, shareMs) =>
        open(target, address, shareMs, traits),
      );
    },
  };
}

/** The driver of every instance. */
export const pgDriver: Driver = createPgDriver();
