// The module that an application imports.
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { DatabaseCoreModule } from './database-core.module.js';
import { typeormModuleOf } from './database.adapters.js';
import { EXTRAS } from './database.module-definition.js';
import type { ASYNC_OPTIONS_TYPE, DatabaseModuleExtras } from './database.module-definition.js';
import type { DatabaseModuleOptions } from './database.options.js';
import { databaseProviders, endpointPortsProvider } from './database.providers.js';
import { createEndpointControllers } from './ops/endpoints/endpoint-controllers.js';

/** Options of `forRootAsync`: extras beside `useFactory`, `useClass` or `useExisting`. */
export type DatabaseModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE & {
  /** Whether the options will hold `typeorm`: Nest needs its module before the factory has run. @default false */
  readonly typeorm?: boolean | undefined;
  /** HTTP endpoints: Nest needs their paths before the factory has run. */
  readonly endpoints?: DatabaseModuleOptions['endpoints'];
};

/** Pools, services, health and endpoints of one database. Import it once a database. */
@Module({})
export class DatabaseModule {
  /**
   * Registers an instance whose options are known.
   * @throws ConfigurationError at the start of the application, with every wrong option.
   */
  static forRoot(options: DatabaseModuleOptions = {}): DynamicModule {
    const core = DatabaseCoreModule.forRoot(options);
    const usesTypeorm = options.typeorm !== undefined && options.typeorm !== false;
    return DatabaseModule.around(core, options, usesTypeorm);
  }

  /** Registers an instance whose options are made by the application. */
  static forRootAsync(options: DatabaseModuleAsyncOptions): DynamicModule {
    const core = DatabaseCoreModule.forRootAsync(options);
    return DatabaseModule.around(core, options, options.typeorm === true);
  }

  private static around(
    core: DynamicModule,
    extras: DatabaseModuleExtras & Pick<DatabaseModuleOptions, 'endpoints'>,
    usesTypeorm: boolean,
  ): DynamicModule {
    const { name = EXTRAS.name, isGlobal = EXTRAS.isGlobal, endpoints } = extras;
    const isDefaultInstance = name === EXTRAS.name;
    const providers = databaseProviders(name);
    return {
      module: DatabaseModule,
      global: isGlobal,
      imports: usesTypeorm ? [core, typeormModuleOf(name)] : [core],
      controllers: createEndpointControllers(endpoints, { isDefaultInstance }),
      providers: [...providers, endpointPortsProvider(name)],
      exports: providers.map(({ provide }) => provide),
    };
  }
}
