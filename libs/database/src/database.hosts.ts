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

function listOf(path: string, given: unknown, checks: Checks): readonly unknown[] {
  if (given === undefined || Array.isArray(given)) return given ?? [];
  checks.problem(path, given, 'must be a list', `Write ${path}: [...], with one entry a server.`);
  return [];
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
    return listOf('hosts', hosts, checks).map((given, index) => {
      const path = `hosts[${index}]`;
      const host = checks.slice<Partial<HostOption>>(path, given, {}, ['url', 'role']);
      checks.oneOf(`${path}.role`, host.role, [undefined, 'auto', 'primary', 'replica']);
      return { path: `${path}.url`, url: host.url, role: host.role ?? 'auto' };
    });
  }
  const several = typeof url === 'string' ? splitHosts(url) : [url];
  const role = several.length > 1 ? 'auto' : 'primary';
  const first =
    url === undefined ? [] : several.map((one) => ({ path: 'url', url: one, role }) as const);
  const rest = listOf('replicas', replicas, checks).map((replica, index) => {
    const path = `replicas[${index}]`;
    const isObject = typeof replica === 'object' && replica !== null;
    const named = isObject ? checks.slice<Partial<HostOption>>(path, replica, {}, ['url']) : {};
    return { path, url: isObject ? named.url : replica, role: 'replica' as const };
  });
  return [...first, ...rest];
}

/** What a URL need not say. */
export function targetDefaults(
  options: HostsOptions,
  checks: Checks,
): { readonly tls: TlsOptions; readonly applicationName: string } {
  const isProduction = process.env['NODE_ENV'] === 'production';
  const tls = resolveTls(options.tls, isProduction ? 'verify-full' : 'disable', checks);
  return { tls, applicationName: options.applicationName ?? 'nestjs-database' };
}

/** The nodes of the options; empty when none is named, which production refuses. */
export function resolveNodes(options: HostsOptions, checks: Checks): ResolvedNode[] {
  const isProduction = process.env['NODE_ENV'] === 'production';
  const defaults = targetDefaults(options, checks);
  checks.string('applicationName', defaults.applicationName);
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
  const primaries = declared.filter(({ role }) => role === 'primary');
  if (primaries.length > 1) {
    const mend = 'Leave role out where it may change: the primary is found.';
    checks.problem('hosts', undefined, 'must not declare more than one primary', mend);
  }
  const counts = { primary: 0, replica: 0, auto: 0 };
  return declared.flatMap(({ path, url, role }) => {
    const target = parseTarget(path, url, defaults, checks);
    const number = ++counts[role];
    const name =
      role === 'primary' ? 'primary' : `${role === 'auto' ? 'node' : 'replica'}-${number}`;
    return target === undefined ? [] : [Object.freeze({ name, declaredRole: role, target })];
  });
}
