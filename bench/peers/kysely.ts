// Kysely, on a pool of `pg` or on ours.
import { Kysely, PostgresDialect } from 'kysely';
import type { Generated, PostgresPool } from 'kysely';
import type { Peer } from './peer.js';

interface Tables {
  point: { id: number; value: string };
  account: { id: number; note: string };
  entry: { id: Generated<string>; value: string };
  wide: Record<
    'id' | 'big' | 'name' | 'active' | 'score' | 'price' | 'seen' | 'born' | 'token' | 'doc',
    unknown
  >;
}

/** Does not close the pool: that is its owner's. */
export function kyselyPeer(name: string, pool: PostgresPool): Peer {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const point = (on: Kysely<Tables>, id: number) =>
    on.selectFrom('point').select(['id', 'value']).where('id', '=', id).executeTakeFirst();
  const update = (on: Kysely<Tables>, id: number, note: string) =>
    on.updateTable('account').set({ note }).where('id', '=', id).execute();
  return {
    name,
    operations: {
      point: (id) => point(db, id),
      wide: (count) =>
        db.selectFrom('wide').selectAll().where('id', '<=', count).orderBy('id').execute(),
      insert: async (value) =>
        (await db.insertInto('entry').values({ value }).returning('id').executeTakeFirstOrThrow())
          .id,
      update: (id, note) => update(db, id, note),
      transaction: (id, note) =>
        db.transaction().execute(async (trx) => {
          const row = await trx
            .selectFrom('account')
            .select(['id', 'note'])
            .where('id', '=', id)
            .executeTakeFirst();
          await update(trx, id, note);
          return row;
        }),
      transactionShort: (id) => db.transaction().execute((trx) => point(trx, id)),
    },
  };
}
