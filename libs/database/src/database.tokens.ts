// Names under which instances and their services are injected.
import { Inject } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { DEFAULT_INSTANCE } from './database.instance.js';
import { DatabaseService } from './database.service.js';

/** Token of an instance's inner parts; for the library's own modules. */
export function getCoreToken(name: string): symbol {
  return Symbol.for(`nestjs-database:core:${name}`);
}

/**
 * Token of a service of a named instance: the class itself for the default one, a symbol otherwise.
 * Symbols are registered, so that an ESM and a CJS copy of the library agree on them.
 */
export function getDatabaseToken(
  name: string = DEFAULT_INSTANCE,
  service: Type = DatabaseService as Type,
): Type | symbol {
  if (name === DEFAULT_INSTANCE) return service;
  return Symbol.for(
    service === DatabaseService
      ? `nestjs-database:${name}`
      : `nestjs-database:${name}:${service.name}`,
  );
}

/** Injects the DatabaseService of a named instance, or another service of it. */
export function InjectDatabase(
  name?: string,
  service: Type = DatabaseService as Type,
): ReturnType<typeof Inject> {
  return Inject(getDatabaseToken(name, service));
}
