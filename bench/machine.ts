// What the figures were measured on.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

const PACKAGES = ['pg', 'postgres', 'typeorm', 'kysely', 'drizzle-orm', 'knex'] as const;

/** The machine and the versions of a run. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly node: string;
  readonly postgresql: string;
  readonly pg: string;
  /** Versions of the peers, by package. */
  readonly packages: Readonly<Record<string, string>>;
  /** Processes that wanted to run in the minute before: others' work spoils the figures. */
  readonly loadBefore: number;
  /** Whether the server's own load generator was there. */
  readonly pgbench: boolean;
}

/** The version of an installed package, also of one that does not export its manifest. */
function versionOf(name: string): string {
  let folder = dirname(createRequire(import.meta.url).resolve(name));
  for (;;) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (manifest.name === name && manifest.version !== undefined) return manifest.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const above = dirname(folder);
    if (above === folder) throw new Error(`${name} has no package.json`);
    folder = above;
  }
}

/** Looks around. */
export function describeMachine(postgresql: string, pgbench: boolean): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgresql,
    pg: versionOf('pg'),
    packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
    pgbench,
  };
}
