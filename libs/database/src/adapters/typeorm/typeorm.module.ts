// Registers the data source with Nest, so that TypeOrmModule.forFeature() and its injections find it.
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { Ambient } from '../../transaction/ambient.js';
import type { PgPoolParts } from '../pg-pool-parts.js';
import type { PgPool } from '../pg-pool.js';
import { startDataSource } from './data-source-starter.js';
import type { StarterParts } from './data-source-starter.js';
import { PooledDataSource } from './pooled-data-source.js';
import { SetupGate } from './setup-gate.js';
import type { TypeormList, TypeormOptions } from './typeorm.options.js';

/** The instance that a data source belongs to. */
export interface TypeormHost extends StarterParts {
  readonly options: TypeormOptions;
  readonly ambient: Ambient;
  readonly hasReplicas: boolean;
  /** A facade of its own. */
  newPool(role: PgPoolParts['role'], gate: Pick<PgPoolParts, 'refusal' | 'timeoutMs'>): PgPool;
  /** Closes the instance, for its start has failed. */
  close(): Promise<void>;
}

/** How the module finds its instance. */
export interface TypeormRegistration<Core> {
  /** Name of the instance, and so of the data source. */
  readonly name: string;
  readonly coreToken: symbol;
  readonly hostOf: (core: Core) => TypeormHost;
}

/** Carries the host through the options, which Nest copies. */
const HOST = Symbol('host of a data source');

interface CarriedOptions {
  readonly [HOST]: TypeormHost;
}

function toList(list: TypeormList | undefined): ReadonlyArray<object | string> {
  return Array.isArray(list) ? (list as ReadonlyArray<object | string>) : Object.values(list ?? {});
}

/** Options of `@nestjs/typeorm`: it makes the data source, and leaves its start to us. */
function nestOptions(host: TypeormHost): object {
  return {
    ...host.options,
    type: 'postgres',
    entities: toList(host.options.entities),
    manualInitialization: true,
    // Failures are final here; the starter has done the waiting.
    toRetry: () => false,
    [HOST]: host,
  };
}

async function openDataSource(carried: object | undefined): Promise<DataSource> {
  const { [HOST]: host, ...options } = carried as CarriedOptions;
  const gate = new SetupGate(host.options);
  const { ambient } = host;
  const reads = host.options.readFromReplicas && host.hasReplicas;
  const dataSource = new PooledDataSource(options, {
    primary: host.newPool('primary', gate),
    replica: reads ? host.newPool('replica', gate) : undefined,
    gate,
    ambient,
  });
  try {
    await startDataSource(dataSource, host);
  } catch (error) {
    await host.close();
    throw error;
  }
  return dataSource;
}

/** The module that holds the data source of an instance. */
export function typeormModule<Core>(registration: TypeormRegistration<Core>): DynamicModule {
  const { name, coreToken, hostOf } = registration;
  const named = name === 'default' ? {} : { name };
  return TypeOrmModule.forRootAsync({
    ...named,
    inject: [coreToken],
    useFactory: (core: Core) => ({ ...nestOptions(hostOf(core)), ...named }),
    dataSourceFactory: openDataSource,
  });
}
