// Controllers for the paths that an instance has; Nest needs them before any factory has run.
import { Controller, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import type { CanActivate, Type } from '@nestjs/common';
import { ConfigurationError } from '../../kernel/errors.js';
import { Checks } from '../../kernel/option-checks.js';
import { ApiEndpoints } from './api.controller.js';
import { createTokenGuard, NoAccessGuard, NoStoreGuard } from './endpoint-access.guard.js';
import { resolveEndpoints } from './endpoints.options.js';
import type { EndpointsOptions } from './endpoints.options.js';
import { HealthEndpoints } from './health.controller.js';
import { MetricsEndpoint } from './metrics.controller.js';

/** Decorates a class made for one module: two instances never share one. */
function controllerAt(
  path: string,
  controller: Type<object>,
  guards: ReadonlyArray<Type<CanActivate>>,
): Type<object> {
  UseGuards(...guards)(controller);
  // The paths are said in full: a version of the application's API does not move its probes.
  Controller({ path, version: VERSION_NEUTRAL })(controller);
  return controller;
}

function accessGuard({ guard, token }: EndpointsOptions): Type<CanActivate> {
  if (guard !== undefined) return guard;
  return token === undefined ? NoAccessGuard : createTokenGuard(token);
}

/**
 * The controllers for the module definition; it provides `ENDPOINT_PORTS` to them. Wrong options give
 * none: the same options are refused, with all others, when the application starts.
 */
export function createEndpointControllers(
  given: unknown,
  scope: { readonly isDefaultInstance: boolean },
): Array<Type<object>> {
  const endpoints = resolved(given, scope);
  if (endpoints === false) return [];
  const { path, api, metrics } = endpoints;
  const controllers: Array<Type<object>> = [];
  if (path !== false) {
    class DatabaseHealthController extends HealthEndpoints {}
    controllers.push(controllerAt(path, DatabaseHealthController, [NoStoreGuard]));
  }
  if (metrics !== false) {
    class DatabaseMetricsController extends MetricsEndpoint {}
    controllers.push(controllerAt(metrics, DatabaseMetricsController, [NoStoreGuard]));
  }
  if (api !== false) {
    class DatabaseApiController extends ApiEndpoints {}
    const guards = [NoStoreGuard, accessGuard(endpoints)];
    controllers.push(controllerAt(api, DatabaseApiController, guards));
  }
  return controllers;
}

function resolved(
  given: unknown,
  scope: { readonly isDefaultInstance: boolean },
): EndpointsOptions | false {
  const checks = new Checks();
  const endpoints = resolveEndpoints(given, checks, scope);
  try {
    checks.throwIfAny();
    return endpoints;
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}
