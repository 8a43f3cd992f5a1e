// Where a connection goes: a URL taken apart, with every part that we do not know refused.
import { readFileSync } from 'node:fs';
import type { Checks } from '../kernel/option-checks.js';
import { TLS_MODES } from './tls.options.js';
import type { TlsMode, TlsOptions } from './tls.options.js';

/** Everything the driver needs to open a connection. The password never shows in `label`. */
export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly applicationName: string;
  readonly tls: TlsOptions;
  /** Command-line options for the backend, as in libpq's `options`. */
  readonly options: string | undefined;
  /** `host:port/database`, fit for messages and labels. */
  readonly label: string;
}

const URL_PARAMETERS = ['sslmode', 'sslrootcert', 'application_name', 'options', 'host'] as const;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Stands where a URL has a user but no host; libpq allows that when ?host= names it, and `URL` does not. */
const NO_HOST = 'no-host';

function parse(text: string): URL | undefined {
  try {
    return new URL(text.replace(/^(\w+:\/\/[^/?#]*@)(?=(?::\d*)?(?:[/?#]|$))/, `$1${NO_HOST}`));
  } catch {
    return undefined;
  }
}

/** The addresses of a URL with several hosts, one URL each; libpq's form. */
export function splitHosts(url: string): string[] {
  const match = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^@/?#]*,[^@/?#]*)((?:[/?#].*)?)$/i.exec(url);
  if (match === null) return [url];
  const [, before = '', hosts = '', after = ''] = match;
  return hosts.split(',').map((host) => `${before}${host}${after}`);
}

function tlsOf(parsed: URL, path: string, given: TlsOptions, checks: Checks): TlsOptions {
  const mode = parsed.searchParams.get('sslmode');
  const root = parsed.searchParams.get('sslrootcert');
  if (mode !== null && !TLS_MODES.includes(mode as TlsMode)) {
    checks.problem(
      `${path}?sslmode`,
      undefined,
      `must be one of ${TLS_MODES.join(', ')}`,
      '"prefer" and "allow" fall back to clear text without a word: say "require" or "disable".',
    );
    return given;
  }
  let ca = given.ca;
  if (root !== null) {
    try {
      ca = readFileSync(root, 'utf8');
    } catch {
      checks.problem(
        `${path}?sslrootcert`,
        undefined,
        'names a file that cannot be read',
        'Check the path.',
      );
    }
  }
  return {
    ...given,
    ...(mode === null ? {} : { mode: mode as TlsMode }),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Takes a URL apart; problems go to `checks`, and never hold the URL itself. */
export function parseTarget(
  path: string,
  url: unknown,
  defaults: { readonly tls: TlsOptions; readonly applicationName: string },
  checks: Checks,
): ConnectionTarget | undefined {
  const parsed = typeof url === 'string' ? parse(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    const form = 'postgresql://user:password@host:5432/database';
    checks.problem(
      path,
      url,
      `must have the form ${form}`,
      'Encode special characters of the password as %XX.',
    );
    return undefined;
  }
  for (const name of parsed.searchParams.keys()) {
    if ((URL_PARAMETERS as readonly string[]).includes(name)) continue;
    checks.problem(
      `${path}?${name}`,
      undefined,
      'is not a parameter that is known here',
      `Known: ${URL_PARAMETERS.join(', ')}; everything else is an option of the module.`,
    );
  }
  const host = parsed.searchParams.get('host') ?? decoded(parsed.hostname.replace(/^\[|\]$/g, ''));
  const port = parsed.port === '' ? 5432 : Number(parsed.port);
  const user = decoded(parsed.username) || (process.env['PGUSER'] ?? 'postgres');
  const database = decoded(parsed.pathname.slice(1)) || user;
  if (host === '' || host === NO_HOST) {
    checks.problem(path, url, 'names no host', 'Write the host before the port.');
  }
  return {
    host,
    port,
    user,
    database,
    password: parsed.password === '' ? process.env['PGPASSWORD'] : decoded(parsed.password),
    applicationName: parsed.searchParams.get('application_name') ?? defaults.applicationName,
    options: parsed.searchParams.get('options') ?? undefined,
    tls: tlsOf(parsed, path, defaults.tls, checks),
    label: `${host}:${port}/${database}`,
  };
}
