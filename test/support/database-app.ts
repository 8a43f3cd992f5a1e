// A Nest application with the module in it, for suites that look at the library from outside.
import { afterAll, beforeAll } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DatabaseModule,
  DatabasePoolService,
  DatabaseRetryService,
  DatabaseService,
} from 'nestjs-database';
import type { DatabaseModuleOptions, EventMap } from 'nestjs-database';
import { getCoreToken } from '../../libs/database/src/database.tokens.js';
import type { LaneStats } from '../../libs/database/src/pool/pool-stats.js';
import type { Events } from '../../libs/database/src/kernel/events.js';

/** A started application, and what suites ask of it. */
export interface DatabaseApp {
  readonly app: INestApplicationContext;
  readonly db: DatabaseService;
  readonly pools: DatabasePoolService;
  readonly retry: DatabaseRetryService;
  /** What the first pool's shared connections have done. */
  lane(): LaneStats;
  /** Collects the events of a name from now on. */
  record<Name extends keyof EventMap>(name: Name): Array<EventMap[Name]>;
  close(): Promise<void>;
}

/** Starts an application that imports `DatabaseModule.forRoot(options)` and nothing else. */
export async function startDatabaseApp(options: DatabaseModuleOptions): Promise<DatabaseApp> {
  const imports = [DatabaseModule.forRoot(options)];
  const app = await Test.createTestingModule({ imports }).compile();
  await app.init();
  const { events } = app.get<{ events: Events }>(getCoreToken('default'));
  return {
    app,
    db: app.get(DatabaseService),
    pools: app.get(DatabasePoolService),
    retry: app.get(DatabaseRetryService),
    lane: () => {
      const [stats] = app.get(DatabasePoolService).stats();
      if (stats === undefined) throw new Error('There is no pool.');
      return stats.lane;
    },
    record: <Name extends keyof EventMap>(name: Name) => {
      const seen: Array<EventMap[Name]> = [];
      events.on(name, (payload) => seen.push(payload));
      return seen;
    },
    close: () => app.close(),
  };
}

/** Gives the surrounding suite an application: started before its tests, closed after them. */
export function useDatabaseApp(options: () => DatabaseModuleOptions): DatabaseApp {
  let current: DatabaseApp | undefined;
  beforeAll(async () => {
    current = await startDatabaseApp(options());
  });
  afterAll(() => current?.close());
  const get = (): DatabaseApp => {
    if (current === undefined) throw new Error('The application exists in tests and hooks only.');
    return current;
  };
  return {
    get app() {
      return get().app;
    },
    get db() {
      return get().db;
    },
    get pools() {
      return get().pools;
    },
    get retry() {
      return get().retry;
    },
    lane: () => get().lane(),
    record: (name) => get().record(name),
    close: () => get().close(),
  };
}
