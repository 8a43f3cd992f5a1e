// Wiring of other libraries: the facade of the pool, and the data source of TypeORM.
import type { DynamicModule } from '@nestjs/common';
import { PgPool } from './adapters/pg-pool.js';
import type { PgPoolParts } from './adapters/pg-pool-parts.js';
import type { PgPoolRole } from './adapters/pg-pool.types.js';
import type { TypeormHost } from './adapters/typeorm/typeorm.module.js';
import type { DatabaseCore } from './database.core.js';
import { getCoreToken } from './database.tokens.js';
import { passForPgPool } from './driver/pg-pool-class.js';
import { ConfigurationError } from './kernel/errors.js';
import type { PoolStats } from './pool/pool-stats.js';

function statsOf(core: DatabaseCore, role: PgPoolRole): PoolStats[] {
  const { topology } = core;
  const replicas = role === 'replica' ? topology.replicas() : [];
  const nodes = replicas.length > 0 ? replicas : [topology.primary()];
  const names = nodes.map((node) => node?.name);
  return core.pools().filter(({ node }) => names.includes(node));
}

/** A facade of the pools of an instance. */
export function newPgPool(
  core: DatabaseCore,
  role: PgPoolRole,
  gate: Pick<PgPoolParts, 'refusal' | 'timeoutMs'> = {},
): PgPool {
  const { ambient, classifier, clock, desk, guard, options, runner, sampler } = core;
  passForPgPool(PgPool);
  return new PgPool({
    role,
    ambient,
    classifier,
    clock,
    desk,
    guard,
    runner,
    sampler,
    options: role === 'replica' ? options.replicaPool : options.pool,
    stats: () => statsOf(core, role),
    state: () =>
      core.isClosing ? (core.status().state === 'closed' ? 'ended' : 'ending') : 'open',
    // One by one: a gate is an object with more in it, options of its own for one.
    refusal: gate.refusal,
    timeoutMs: gate.timeoutMs,
  });
}

function typeormHostOf(core: DatabaseCore): TypeormHost {
  const { ambient, clock, events, options, topology } = core;
  if (options.typeorm === false) throw new Error('No data source was asked for.');
  const isPrimaryReachable = (): boolean => topology.reachablePrimary() !== undefined;
  return {
    options: options.typeorm,
    ambient,
    clock,
    events,
    hasReplicas: options.nodes.length > 1,
    waitsForDatabase: options.startup.waitForDatabase,
    isPrimaryReachable,
    findPrimary: async () => {
      await topology.refreshUntil(isPrimaryReachable);
      return isPrimaryReachable();
    },
    newPool: (role, gate) => newPgPool(core, role, gate),
    onClose: (step) => core.onClose(step),
    close: () => core.close(),
  };
}

/** Loads the adapter: the packages are optional, and an application without the option never needs them. */
const loadTypeorm = () => import('./adapters/typeorm/typeorm.module.js');

/**
 * A factory of options cannot tell Nest to import the data source's module: what stands beside it must agree.
 * @throws ConfigurationError when it does not.
 */
export function requireAnnouncedTypeorm(isAnnounced: boolean, isGiven: boolean): void {
  if (isAnnounced === isGiven) return;
  throw new ConfigurationError([
    isGiven
      ? {
          path: 'typeorm',
          value: '{...}',
          rule: 'was returned by the factory of forRootAsync() without being announced',
          mend: 'Write typeorm: true beside useFactory.',
        }
      : {
          path: 'typeorm',
          value: 'undefined',
          rule: 'was announced beside the factory of forRootAsync(), which returned none',
          mend: 'Return typeorm: { ... } from the factory, or take typeorm: true away.',
        },
  ]);
}

/**
 * Sees that TypeORM can be loaded.
 * @throws ConfigurationError with the command that installs it.
 */
export async function requireTypeorm(): Promise<void> {
  try {
    await loadTypeorm();
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new ConfigurationError([
      {
        path: 'typeorm',
        value: '{...}',
        rule: `needs the packages typeorm and @nestjs/typeorm (${reason})`,
        mend: 'Run: npm install typeorm @nestjs/typeorm',
      },
    ]);
  }
}

class TypeormIsMissing {}

/** The module of the data source; an empty one when TypeORM is missing, which {@link requireTypeorm} reports. */
export async function typeormModuleOf(name: string): Promise<DynamicModule> {
  try {
    const { typeormModule } = await loadTypeorm();
    return typeormModule({ name, coreToken: getCoreToken(name), hostOf: typeormHostOf });
  } catch {
    return { module: TypeormIsMissing };
  }
}
