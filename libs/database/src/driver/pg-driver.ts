// The adapter to `pg`: opens clients with their TLS and their deadline.
import { checkServerIdentity } from 'node:tls';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import pg from 'pg';
import type { ClientConfig } from 'pg';
import { systemClock } from '../kernel/clock.js';
import type { Driver } from './driver.js';
import { PgConnection } from './pg-connection.js';
import { wireOf } from './pg-wire.js';
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
function tlsConfig(tls: TlsOptions): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  return {
    rejectUnauthorized: tls.mode !== 'require',
    ...identityCheck(tls),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

function clientConfig(target: ConnectionTarget, ssl: ConnectionOptions | false): ClientConfig {
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    // Never undefined: `pg` would read ~/.pgpass and warn.
    password: target.password ?? '',
    database: target.database,
    application_name: target.applicationName,
    ssl,
    keepAlive: true,
    ...(target.options === undefined ? {} : { options: target.options }),
  };
}

/** Opens connections by `pg.Client`. */
export const pgDriver: Driver = {
  async connect(target, timeoutMs, traits) {
    const ssl = tlsConfig(target.tls);
    const client = new pg.Client(clientConfig(target, ssl));
    const connection = new PgConnection(client, { ...target, ssl }, traits);
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
      const error = new Error(`no answer within ${timeoutMs} ms`);
      wire.stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    try {
      await client.connect();
    } catch (error) {
      connection.destroy();
      throw translateConnectError(error, seen);
    } finally {
      timer.cancel();
    }
    return connection;
  },
};
