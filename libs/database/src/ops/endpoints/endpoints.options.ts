// Where the endpoints are, and who may see what.
import type { CanActivate, Type } from '@nestjs/common';
import type { Checks } from '../../kernel/option-checks.js';

/** HTTP endpoints. Static for Nest: beside `useFactory`, not inside. */
export interface EndpointsOptions {
  /** Path of liveness, readiness and pool figures; open to everybody; `false` leaves them out. @default 'health' */
  readonly path: string | false;
  /** Path of what only operators may see: needs `guard` or `token`, else it answers 403; `false` leaves it out. @default 'api/database' */
  readonly api: string | false;
  /** Path of the figures for Prometheus; open to everybody; `false` leaves it out. @default 'metrics' */
  readonly metrics: string | false;
  /** A guard of the application's for `api`; what it injects must be visible to the module. */
  readonly guard?: Type<CanActivate> | undefined;
  /** The bearer token for `api`, instead of a guard. */
  readonly token?: string | undefined;
}

/** Defaults of {@link EndpointsOptions}. */
export const ENDPOINTS_DEFAULTS: EndpointsOptions = Object.freeze({
  path: 'health',
  api: 'api/database',
  metrics: 'metrics',
});

/** A named instance has the endpoints that it names, so that two instances do not clash. */
const NAMED_ONLY: EndpointsOptions = Object.freeze({ path: false, api: false, metrics: false });

const KNOWN: ReadonlyArray<keyof EndpointsOptions> = ['path', 'api', 'metrics', 'guard', 'token'];
const PATH = /^\/?[\w.~-]+(\/[\w.~-]+)*\/?$/;
/** What RFC 6750 allows in a header. */
const TOKEN = /^[\w.~+/-]+=*$/;

/** Routes below each of the paths; '' is the path itself. */
const ROUTES = {
  path: ['', '/live', '/ready', '/metrics'],
  api: ['/health', '/metrics', '/connection-info'],
  metrics: [''],
} as const;

/** Lays the slice `endpoints` over its defaults and checks it; `false` leaves all of them out. */
export function resolveEndpoints(
  given: unknown,
  checks: Checks,
  { isDefaultInstance }: { readonly isDefaultInstance: boolean },
): EndpointsOptions | false {
  if (given === false || (given === undefined && !isDefaultInstance)) return false;
  const defaults = isDefaultInstance ? ENDPOINTS_DEFAULTS : NAMED_ONLY;
  const endpoints = checks.slice('endpoints', given, defaults, KNOWN);
  checkPaths(endpoints, checks);
  const { guard, token } = endpoints;
  if (guard !== undefined && typeof guard !== 'function') {
    checks.problem('endpoints.guard', guard, 'must be a class', 'Give the class, not an object.');
  }
  if (token !== undefined && (typeof token !== 'string' || !TOKEN.test(token))) {
    const rule = 'must be a token of letters, digits and -._~+/';
    checks.problem('endpoints.token', token, rule, 'Make one with `openssl rand -hex 32`.');
  }
  if (guard !== undefined && token !== undefined) {
    const mend = 'Choose the guard or the token.';
    checks.problem('endpoints.token', token, 'cannot stand beside endpoints.guard', mend);
  }
  return Object.freeze(endpoints);
}

function checkPaths(endpoints: EndpointsOptions, checks: Checks): void {
  const taken = new Map<string, string>();
  for (const key of ['path', 'api', 'metrics'] as const) {
    const path: unknown = endpoints[key];
    if (path === false) continue;
    if (typeof path !== 'string' || !PATH.test(path)) {
      const mend = 'Give a path as "ops/health", or false.';
      checks.problem(`endpoints.${key}`, path, 'must be a path without parameters, or false', mend);
      continue;
    }
    for (const route of ROUTES[key]) {
      const full = `${path.replace(/^\/|\/$/g, '')}${route}`;
      const other = taken.get(full);
      taken.set(full, key);
      if (other === undefined) continue;
      const rule = `gives /${full}, which endpoints.${other} has already`;
      checks.problem(`endpoints.${key}`, path, rule, 'Choose another path.');
    }
  }
}
