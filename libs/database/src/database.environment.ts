// Options from environment variables, with the sizes that suit the place the process runs in.
import { readFileSync } from 'node:fs';
import type { DatabaseModuleOptions } from './database.options.js';
import { TLS_MODES } from './driver/tls.options.js';
import type { TlsMode } from './driver/tls.options.js';
import { Checks } from './kernel/option-checks.js';

type Environment = Readonly<Record<string, string | undefined>>;
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Where the process runs, as far as sizes go. */
type Profile = 'development' | 'production' | 'large';

const PROFILES: Readonly<Record<Profile, Pick<DatabaseModuleOptions, 'pool' | 'replicaPool'>>> = {
  development: { pool: { max: 10, min: 2 } },
  production: { pool: { max: 50, min: 5 } },
  large: { pool: { max: 100, min: 20 }, replicaPool: { max: 50, min: 10 } },
};

const POOL_NUMBERS = {
  DB_POOL_MAX: 'max',
  DB_POOL_MIN: 'min',
  DB_ACQUIRE_TIMEOUT_MS: 'acquireTimeoutMs',
  DB_CONNECT_TIMEOUT_MS: 'connectTimeoutMs',
  DB_STATEMENT_TIMEOUT_MS: 'statementTimeoutMs',
  DB_IDLE_TIMEOUT_MS: 'idleTimeoutMs',
} as const;

/** Every variable that is read; a misspelt DB_* is reported, not ignored. */
const KNOWN = [
  ...Object.keys(POOL_NUMBERS),
  'DB_PROFILE',
  'DB_HOST',
  'DB_PORT',
  'DB_USER',
  'DB_PASSWORD',
  'DB_NAME',
  'DB_TLS',
  'DB_TLS_CA',
  'DB_APPLICATION_NAME',
  'DB_MAX_LAG_MS',
  'DB_WAIT_FOR_DATABASE',
];

function profileOf(env: Environment, checks: Checks): Profile {
  const chosen = env['DB_PROFILE'];
  if (chosen !== undefined) {
    checks.oneOf('DB_PROFILE', chosen, Object.keys(PROFILES));
    return chosen in PROFILES ? (chosen as Profile) : 'production';
  }
  const isManaged = env['RAILWAY_ENVIRONMENT'] !== undefined;
  return env['NODE_ENV'] === 'production' || isManaged ? 'production' : 'development';
}

function numberOf(env: Environment, name: string, checks: Checks): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  checks.count(name, Number(text), { min: 0 });
  return Number(text);
}

/** A host as it stands in a URL: an IPv6 address in brackets, the folder of a socket encoded. */
function hostInUrl(host: string): string {
  if (host.startsWith('[')) return host;
  return host.includes(':') ? `[${host}]` : encodeURIComponent(host);
}

function urlOf(env: Environment, checks: Checks): string | undefined {
  if (env['DATABASE_URL'] !== undefined && env['DATABASE_URL'] !== '') return env['DATABASE_URL'];
  const host = env['DB_HOST'];
  if (host === undefined || host === '') return undefined;
  const port = env['DB_PORT'] ?? '5432';
  if (port !== '') checks.count('DB_PORT', Number(port), { min: 1, max: 65_535 });
  const hosts = host.split(',').map((one) => `${hostInUrl(one.trim())}:${port}`);
  const user = encodeURIComponent(env['DB_USER'] ?? 'postgres');
  const password =
    env['DB_PASSWORD'] === undefined ? '' : `:${encodeURIComponent(env['DB_PASSWORD'])}`;
  const database = encodeURIComponent(env['DB_NAME'] ?? env['DB_USER'] ?? 'postgres');
  return `postgresql://${user}${password}@${hosts.join(',')}/${database}`;
}

function replicasOf(env: Environment): string[] {
  const several = env['DATABASE_REPLICA_URLS']?.split(/[\s,]+/) ?? [];
  return [...several, env['DATABASE_REPLICA_URL'] ?? ''].filter((url) => url !== '');
}

function certificateOf(env: Environment, checks: Checks): string | undefined {
  const given = env['DB_TLS_CA'];
  if (given === undefined || given.includes('-----BEGIN')) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch {
    checks.problem(
      'DB_TLS_CA',
      given,
      'is neither a certificate nor a readable file',
      'Give PEM text or its path.',
    );
    return undefined;
  }
}

function tlsOf(env: Environment, checks: Checks): DatabaseModuleOptions['tls'] {
  const given = env['DB_TLS'];
  const ca = certificateOf(env, checks);
  if (given !== undefined) checks.oneOf('DB_TLS', given, TLS_MODES);
  // A managed platform signs its own certificates: encrypted, but there is nobody to verify them.
  const fallback =
    env['RAILWAY_ENVIRONMENT'] === undefined || ca !== undefined ? undefined : 'require';
  const mode = (given ?? fallback) as TlsMode | undefined;
  if (mode === undefined && ca === undefined) return undefined;
  return { mode: mode ?? 'verify-full', ca };
}

/**
 * Reads DATABASE_URL (or DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME), DATABASE_REPLICA_URL(S) and DB_*.
 * Sizes: 50 connections, 5 warm, in production (NODE_ENV, RAILWAY_ENVIRONMENT); 100/20 and 50/10 a replica
 * with DB_PROFILE=large; 10/2 otherwise. Single variables go before the profile.
 * @throws ConfigurationError naming every variable that is wrong.
 */
export function databaseOptionsFromEnv(env: Environment = process.env): DatabaseModuleOptions {
  const checks = new Checks();
  const ours = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('DB_')));
  checks.knownKeys('', ours, KNOWN);
  const profile = PROFILES[profileOf(env, checks)];
  const pool: Mutable<NonNullable<DatabaseModuleOptions['pool']>> = { ...profile.pool };
  for (const [name, key] of Object.entries(POOL_NUMBERS)) {
    const value = numberOf(env, name, checks);
    if (value !== undefined) pool[key] = value;
  }
  if (env['DB_POOL_MAX'] !== undefined && env['DB_POOL_MIN'] === undefined) {
    pool.min = Math.min(pool.min ?? 0, pool.max ?? 0);
  }
  const maxLagMs = numberOf(env, 'DB_MAX_LAG_MS', checks);
  const waits = env['DB_WAIT_FOR_DATABASE'];
  if (waits !== undefined) checks.oneOf('DB_WAIT_FOR_DATABASE', waits, ['true', 'false']);
  const tls = tlsOf(env, checks);
  const url = urlOf(env, checks);
  checks.throwIfAny();
  return {
    url,
    replicas: replicasOf(env),
    pool,
    ...(profile.replicaPool === undefined ? {} : { replicaPool: profile.replicaPool }),
    ...(tls === undefined ? {} : { tls }),
    ...(env['DB_APPLICATION_NAME'] === undefined
      ? {}
      : { applicationName: env['DB_APPLICATION_NAME'] }),
    ...(maxLagMs === undefined ? {} : { routing: { maxLagMs } }),
    ...(waits === undefined ? {} : { startup: { waitForDatabase: waits === 'true' } }),
  };
}
