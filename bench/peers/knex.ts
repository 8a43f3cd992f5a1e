// Knex, on the pool that it brings along.
import knexModule from 'knex';
import type { Knex } from 'knex';
import type { Peer } from './peer.js';
import type { Pools } from './pools.js';

/** Knex with as many connections as all. */
export async function openKnexPeer(pools: Pools): Promise<Peer> {
  const { url, connections } = pools.target;
  const db = knexModule.knex({
    client: 'pg',
    connection: url,
    pool: { min: connections, max: connections },
  });
  pools.onClose(() => db.destroy());
  const point = (on: Knex, id: number): Promise<unknown> =>
    on('point').select('id', 'value').where({ id }).first();
  const update = (on: Knex, id: number, note: string): Promise<unknown> =>
    on('account').where({ id }).update({ note });
  return {
    name: 'Knex',
    operations: {
      point: (id) => point(db, id),
      wide: async (count) => db('wide').select().where('id', '<=', count).orderBy('id'),
      insert: async (value) => {
        const rows = await db('entry').insert({ value }).returning<Array<{ id: string }>>('id');
        return rows[0]?.id;
      },
      update: (id, note) => update(db, id, note),
      transaction: (id, note) =>
        db.transaction(async (trx) => {
          const row: unknown = await trx('account').select('id', 'note').where({ id }).first();
          await update(trx, id, note);
          return row;
        }),
      transactionShort: (id) => db.transaction((trx) => point(trx, id)),
    },
  };
}
