// Who takes part, by name.
import { within } from '../measure.js';
import { drizzlePeer } from './drizzle.js';
import { openKnexPeer } from './knex.js';
import { kyselyPeer } from './kysely.js';
import type { Peer } from './peer.js';
import type { Pools } from './pools.js';
import { openNamedPgPeer, openOursPeer, openPgPeer, openPostgresJsPeer } from './sql-peers.js';
import { openTypeormOnOursPeer, openTypeormPeer } from './typeorm.js';

/** Opens a peer on the pools of a workload. */
export type Opener = (pools: Pools) => Promise<Peer>;

const OPENERS = {
  'pg.Pool': openPgPeer,
  'pg.Pool named': openNamedPgPeer,
  'postgres.js': openPostgresJsPeer,
  'nestjs-database': openOursPeer,
  TypeORM: openTypeormPeer,
  'TypeORM on nestjs-database': openTypeormOnOursPeer,
  'Kysely on pg.Pool': async (pools) => kyselyPeer('Kysely on pg.Pool', pools.pg()),
  'Kysely on nestjs-database': async (pools) =>
    kyselyPeer('Kysely on nestjs-database', (await pools.ours()).pools.pgPool()),
  'Drizzle on pg.Pool': async (pools) => drizzlePeer('Drizzle on pg.Pool', pools.pg()),
  'Drizzle on nestjs-database': async (pools) =>
    drizzlePeer('Drizzle on nestjs-database', (await pools.ours()).pools.pgPool()),
  Knex: openKnexPeer,
} satisfies Record<string, Opener>;

const OPEN_MS = 30_000;

/** A peer by its name in the report. */
export type PeerName = keyof typeof OPENERS;

/** Drivers and pools, without anything on top. */
export const BARE: readonly PeerName[] = [
  'pg.Pool',
  'pg.Pool named',
  'postgres.js',
  'nestjs-database',
];

/** Everybody. */
export const EVERYBODY = Object.keys(OPENERS) as readonly PeerName[];

/** Opens a peer; it is closed with the pools. */
export function openPeer(name: PeerName, pools: Pools): Promise<Peer> {
  return within(OPENERS[name](pools), OPEN_MS, `the start of ${name}`);
}
