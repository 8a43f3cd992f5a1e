// The hidden module of an instance: makes its parts from the options, and carries Nest's lifecycle.
import { Global, Inject, Module } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  DynamicModule,
  FactoryProvider,
  OnApplicationBootstrap,
  OnApplicationShutdown,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { ConfigurationError } from './kernel/errors.js';
import { requireAnnouncedTypeorm, requireTypeorm } from './database.adapters.js';
import { DatabaseCore } from './database.core.js';
import { startDevelopmentServer } from './database.development.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } from './database.module-definition.js';
import type { ASYNC_OPTIONS_TYPE } from './database.module-definition.js';
import { resolveOptions } from './database.options.js';
import type { DatabaseModuleOptions } from './database.options.js';
import { DEFAULT_INSTANCE } from './database.instance.js';
import { getCoreToken } from './database.tokens.js';

const CORE = Symbol('core of this module');

/** @throws ConfigurationError when another module has the same name. */
function requireUniqueName(name: string, modules: ModulesContainer): void {
  const token = getCoreToken(name);
  const holders = [...modules.values()].filter(
    ({ metatype, providers }) => metatype === DatabaseCoreModule && providers.has(token),
  );
  if (holders.length <= 1) return;
  throw new ConfigurationError([
    {
      path: 'name',
      value: JSON.stringify(name),
      rule: `is used by ${holders.length} calls of DatabaseModule.forRoot()`,
      mend: 'Import the module once, or give each instance a name of its own.',
    },
  ]);
}

/** What stood beside a factory of options, for Nest had to know it before the factory ran. */
interface Announced {
  readonly typeorm: boolean;
  readonly endpoints: DatabaseModuleOptions['endpoints'];
}

/** @throws ConfigurationError for endpoints that a factory returns: their paths come too late. */
function requireNoEndpoints({ endpoints }: DatabaseModuleOptions): void {
  if (endpoints === undefined) return;
  throw new ConfigurationError([
    {
      path: 'endpoints',
      value: '{...}',
      rule: 'was returned by the factory of forRootAsync(), after Nest has laid its routes',
      mend: 'Write endpoints beside useFactory.',
    },
  ]);
}

/** Makes the parts, starts a server of its own where no URL is given, and connects. */
function coreProvider(
  name: string,
  announced: Announced | undefined,
): FactoryProvider<Promise<DatabaseCore>> {
  return {
    provide: getCoreToken(name),
    inject: [MODULE_OPTIONS_TOKEN, ModulesContainer],
    useFactory: async (given: DatabaseModuleOptions, modules: ModulesContainer) => {
      requireUniqueName(name, modules);
      if (announced !== undefined) requireNoEndpoints(given);
      const options = { ...given, name, ...(announced && { endpoints: announced.endpoints }) };
      let resolved = resolveOptions(options);
      const usesTypeorm = resolved.typeorm !== false;
      requireAnnouncedTypeorm(announced?.typeorm ?? usesTypeorm, usesTypeorm);
      if (usesTypeorm) await requireTypeorm();
      const server = resolved.nodes.length === 0 ? await startDevelopmentServer() : undefined;
      if (server !== undefined) resolved = resolveOptions({ ...options, url: server.url });
      const core = new DatabaseCore(resolved, { stopServer: server && (() => server.stop()) });
      await core.start();
      return core;
    },
  };
}

/** One a call of `DatabaseModule.forRoot()`. Global, for its token is unique and known to nobody else. */
@Global()
@Module({})
export class DatabaseCoreModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(@Inject(CORE) private readonly core: DatabaseCore) {
    super();
  }

  static override forRoot(
    options: Parameters<typeof ConfigurableModuleClass.forRoot>[0],
  ): DynamicModule {
    return DatabaseCoreModule.named(super.forRoot(options), options.name);
  }

  static override forRootAsync(
    options: typeof ASYNC_OPTIONS_TYPE & {
      readonly typeorm?: boolean | undefined;
      readonly endpoints?: DatabaseModuleOptions['endpoints'];
    },
  ): DynamicModule {
    const { typeorm = false, endpoints } = options;
    const announced = { typeorm, endpoints };
    return DatabaseCoreModule.named(super.forRootAsync(options), options.name, announced);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.core.ops.start();
  }

  /** Readiness says no from here on; requests under way still get their connections. */
  async beforeApplicationShutdown(): Promise<void> {
    const { clock, options } = this.core;
    this.core.announceClosing();
    if (options.health !== false && options.health.drainDelayMs > 0) {
      await clock.sleep(options.health.drainDelayMs);
    }
    await this.core.ops.stop();
  }

  /** By now the HTTP server has closed: whatever still holds a connection gets `closeTimeoutMs`. */
  async onApplicationShutdown(): Promise<void> {
    await this.core.close();
  }

  private static named(
    definition: DynamicModule,
    name = DEFAULT_INSTANCE,
    announced?: Announced,
  ): DynamicModule {
    const token = getCoreToken(name);
    return {
      ...definition,
      providers: [
        ...(definition.providers ?? []),
        coreProvider(name, announced),
        { provide: CORE, useExisting: token },
      ],
      exports: [token],
    };
  }
}
