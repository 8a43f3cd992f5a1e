// What the cases share: servers, and the three contestants on them.
import pg from 'pg';
import postgres from 'postgres';
import { DatabaseCore } from '../../libs/database/src/database.core.js';
import { resolveOptions } from '../../libs/database/src/database.options.js';
import type { DatabaseModuleOptions } from '../../libs/database/src/database.options.js';
import { DatabaseService } from '../../libs/database/src/database.service.js';
import type { Cluster } from '../../test/support/cluster.js';

/** One line of a case's result. */
export interface Line {
  readonly who:
    'nestjs-database' | 'pg.Pool' | 'postgres.js' | 'held pg.Client' | 'careless pg.Client';
  /** Figures by name, with their unit in the name. */
  readonly figures: Readonly<Record<string, number | string>>;
}

/** A question that all contestants are asked, in one process and one run. */
export interface Case {
  readonly name: string;
  run(cluster: Cluster): Promise<readonly Line[]>;
}

/** An instance of the library, opened. Whoever opens it closes its core. */
export async function openOurs(
  options: DatabaseModuleOptions,
): Promise<{ db: DatabaseService; core: DatabaseCore }> {
  const core = new DatabaseCore(resolveOptions({ telemetry: { log: false }, ...options }));
  await core.start();
  return { db: new DatabaseService(core), core };
}

/** A pool of `pg` whose idle clients may be lost without an end of the process. */
export function openPgPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max });
  pool.on('error', () => undefined);
  return pool;
}

/** postgres.js, without its notices. */
export function openPostgresJs(url: string, max: number): postgres.Sql {
  return postgres(url, { max, onnotice: () => undefined });
}

/** The middle of some figures. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

/** Time of a piece of work, in ms. */
export async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}
