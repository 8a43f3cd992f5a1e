// The servers that the options name: declared in one of several forms, resolved to one list of nodes.
import type { Checks } from './kernel/option-checks.js';
import { parseTarget, splitHosts } from './driver/target.js';
import type { ConnectionTarget } from './driver/target.js';
import { resolveTls } from './driver/tls.options.js';
import type { TlsMode, TlsOptions } from './driver/tls.options.js';
import type { DeclaredRole } from './routing/node.js';

/** One server of several whose roles are found or declared. */
export interface HostOption {
  readonly url: string;
  /** @default 'auto' */
  readonly role?: DeclaredRole | undefined;
}

/** The options that say where to connect, and how. */
export interface HostsOptions {
  /** `postgresql://user:password@host:5432/database`; left out in development, PostgreSQL is started. */
  readonly url?: string | undefined;
  /** Several servers instead of `url` and `replicas`. */
  readonly hosts?: readonly HostOption[] | undefined;
  /** Servers that follow `url`. */
  readonly replicas?: ReadonlyArray<string | { readonly url: string }> | undefined;
  /** @default 'disable', in production 'verify-full' */
  readonly tls?: boolean | TlsMode | Partial<TlsOptions> | undefined;
  /** Shown in pg_stat_activity. @default 'nestjs-database' */
  readonly applicationName?: string | undefined;
}

/** A server of the instance. */
export interface ResolvedNode {
  readonly name: string;
  readonly declaredRole: DeclaredRole;
  readonly target: ConnectionTarget;
}

interface Declared {
  readonly path: string;
  readonly url: unknown;
  readonly role: DeclaredRole;
}

function declaredHosts(options: HostsOptions, checks: Checks): Declared[] {
  const { url, hosts, replicas } = options;
  if (hosts !== undefined) {
    if (url !== undefined || replicas !== undefined) {
      checks.problem(
        'hosts',
        undefined,
        'cannot stand beside url or replicas',
        'List all servers in hosts.',
      );
    }
    return hosts.map(({ url: host, role }, index) => {
      checks.oneOf(`hosts[${index}].role`, role, [undefined, 'auto', 'primary', 'replica']);
      return { path: `hosts[${index}].url`, url: host, role: role ?? 'auto' };
    });
  }
  const several = typeof url === 'string' ? splitHosts(url) : [url];
  const role = several.length > 1 ? 'auto' : 'primary';
  const first =
    url === undefined ? [] : several.map((one) => ({ path: 'url', url: one, role }) as const);
  const rest = (replicas ?? []).map((replica, index) => ({
    path: `replicas[${index}]`,
    url: typeof replica === 'object' ? replica.url : replica,
    role: 'replica' as const,
  }));
  return [...first, ...rest];
}

/** The nodes of the options; empty when none is named, which production refuses. */
export function resolveNodes(options: HostsOptions, checks: Checks): ResolvedNode[] {
  const isProduction = process.env['NODE_ENV'] === 'production';
  const tls = resolveTls(options.tls, isProduction ? 'verify-full' : 'disable', checks);
  const applicationName = options.applicationName ?? 'nestjs-database';
  checks.string('applicationName', applicationName);
  const declared = declaredHosts(options, checks);
  if (isProduction && !declared.some(({ role }) => role !== 'replica')) {
    const mend = 'Set DATABASE_URL or pass url; only development starts a PostgreSQL of its own.';
    checks.problem('url', undefined, 'must be given in production', mend);
  } else if (declared.length > 0 && declared.every(({ role }) => role === 'replica')) {
    checks.problem(
      'url',
      options.url,
      'must be given beside replicas',
      'Pass the URL of the primary.',
    );
  }
  const counts = { primary: 0, replica: 0, auto: 0 };
  return declared.flatMap(({ path, url, role }) => {
    const target = parseTarget(path, url, { tls, applicationName }, checks);
    const number = ++counts[role];
    const name =
      role === 'primary' ? 'primary' : `${role === 'auto' ? 'node' : 'replica'}-${number}`;
    return target === undefined ? [] : [Object.freeze({ name, declaredRole: role, target })];
  });
}
