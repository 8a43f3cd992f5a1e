// Wiring: the services of an instance, made from its parts.
import type { FactoryProvider, Type } from '@nestjs/common';
import type { DatabaseCore } from './database.core.js';
import { DatabasePoolService } from './database.pool.service.js';
import { DatabaseRetryService } from './database.retry.service.js';
import { DatabaseService } from './database.service.js';
import { getCoreToken, getDatabaseToken } from './database.tokens.js';

type FromCore = new (core: DatabaseCore) => object;

const SERVICES: readonly FromCore[] = [DatabaseService, DatabasePoolService, DatabaseRetryService];

/** Providers of all services under the tokens of a named instance. */
export function databaseProviders(name: string): FactoryProvider[] {
  return SERVICES.map((service) => ({
    provide: getDatabaseToken(name, service as Type),
    inject: [getCoreToken(name)],
    useFactory: (core: DatabaseCore) => new service(core),
  }));
}
