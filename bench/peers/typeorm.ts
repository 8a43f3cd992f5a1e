// TypeORM, on the pool of `pg` that it opens, or on ours.
import { DataSource, LessThanOrEqual } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountEntity, ENTITIES, EntryEntity, PointEntity, WideEntity } from '../schema.js';
import type { Peer } from './peer.js';
import type { Pools } from './pools.js';

/** What TypeORM itself is measured by. */
export interface TypeormOperations {
  /** `findOneBy` the key. */
  findOneBy(id: number): Promise<unknown>;
  /** `find` of the first 100. */
  find100(): Promise<unknown>;
  /** `save` of a new entity; gives its key. */
  save(value: string): Promise<unknown>;
}

/** The methods that applications call. */
export function typeormOperations({ manager }: DataSource): TypeormOperations {
  const points = manager.getRepository(PointEntity);
  const wide = manager.getRepository(WideEntity);
  const entries = manager.getRepository(EntryEntity);
  return {
    findOneBy: (id) => points.findOneBy({ id }),
    find100: () => wide.find({ order: { id: 'asc' }, take: 100 }),
    save: async (value) => (await entries.save({ value })).id,
  };
}

function typeormPeer(name: string, { manager }: DataSource): Peer {
  const point = (on: EntityManager, id: number): Promise<unknown> =>
    on.findOneBy(PointEntity, { id });
  return {
    name,
    operations: {
      point: (id) => point(manager, id),
      wide: (count) =>
        manager.find(WideEntity, { where: { id: LessThanOrEqual(count) }, order: { id: 'asc' } }),
      insert: async (value) =>
        (await manager.insert(EntryEntity, { value })).identifiers[0]?.['id'] as unknown,
      update: (id, note) => manager.update(AccountEntity, { id }, { note }),
      transaction: (id, note) =>
        manager.transaction(async (tx) => {
          const row = await tx.findOneBy(AccountEntity, { id });
          await tx.update(AccountEntity, { id }, { note });
          return row;
        }),
      transactionShort: (id) => manager.transaction((tx) => point(tx, id)),
    },
  };
}

/** A data source as TypeORM's page shows it; closed with the pools. */
export async function openStockDataSource(pools: Pools): Promise<DataSource> {
  const { url, connections } = pools.target;
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    poolSize: connections,
    entities: ENTITIES,
  });
  await dataSource.initialize();
  pools.onClose(() => dataSource.destroy());
  return dataSource;
}

/** TypeORM with a pool of its own. */
export const openTypeormPeer = async (pools: Pools): Promise<Peer> =>
  typeormPeer('TypeORM', await openStockDataSource(pools));

/** TypeORM on the library's pool. */
export const openTypeormOnOursPeer = async (pools: Pools): Promise<Peer> =>
  typeormPeer('TypeORM on nestjs-database', (await pools.ours()).dataSource());
