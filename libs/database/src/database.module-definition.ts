// What is said to Nest before any option is known: names and visibility.
import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { DatabaseModuleOptions } from './database.options.js';
import { DEFAULT_INSTANCE } from './database.instance.js';

/** Stands beside `useFactory` in `forRootAsync`: Nest needs it before the factory has run. */
export interface DatabaseModuleExtras {
  /** Name of the instance. @default 'default' */
  readonly name?: string | undefined;
  /** Whether all modules see the services without importing. @default true */
  readonly isGlobal?: boolean | undefined;
}

/** Defaults of {@link DatabaseModuleExtras}. */
export const EXTRAS = Object.freeze({
  name: DEFAULT_INSTANCE,
  isGlobal: true,
});

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<DatabaseModuleOptions>({ moduleName: 'Database' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createDatabaseOptions')
    .setExtras<DatabaseModuleExtras>({ ...EXTRAS }, (definition) => definition)
    .build();
