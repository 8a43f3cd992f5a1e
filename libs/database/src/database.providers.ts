// Wiring: the services of an instance, made from its parts.
import type { FactoryProvider, Type } from '@nestjs/common';
import type { DatabaseCore } from './database.core.js';
import { DatabasePoolService } from './database.pool.service.js';
import { DatabaseRetryService } from './database.retry.service.js';
import { DatabaseService } from './database.service.js';
import { getCoreToken, getDatabaseToken } from './database.tokens.js';
import { ENDPOINT_PORTS } from './ops/endpoints/endpoint-ports.js';
import { DatabaseHealthIndicator } from './ops/health/database.health.js';
import { DatabaseMonitorService } from './ops/monitor/monitor.service.js';

/** Each service, and how it comes from the parts of its instance. */
const SERVICES: ReadonlyArray<readonly [Type, (core: DatabaseCore) => object]> = [
  [DatabaseService as Type, (core) => new DatabaseService(core)],
  [DatabasePoolService as Type, (core) => new DatabasePoolService(core)],
  [DatabaseRetryService as Type, (core) => new DatabaseRetryService(core)],
  [DatabaseMonitorService as Type, (core) => core.ops.monitor],
  [DatabaseHealthIndicator as Type, (core) => core.ops.indicator],
];

/** Providers of all services under the tokens of a named instance. */
export function databaseProviders(name: string): FactoryProvider[] {
  return SERVICES.map(([service, useFactory]) => ({
    provide: getDatabaseToken(name, service),
    inject: [getCoreToken(name)],
    useFactory,
  }));
}

/** What the controllers of the module are told by; every module has its own. */
export function endpointPortsProvider(name: string): FactoryProvider {
  return {
    provide: ENDPOINT_PORTS,
    inject: [getCoreToken(name)],
    useFactory: (core: DatabaseCore) => core.ops.endpointPorts(),
  };
}
