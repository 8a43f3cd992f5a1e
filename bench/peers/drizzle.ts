// Drizzle, on a pool of `pg` or on ours.
import { asc, eq, lte } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { NodePgDatabase, NodePgClient } from 'drizzle-orm/node-postgres';
import * as t from 'drizzle-orm/pg-core';
import type { Peer } from './peer.js';

const point = t.pgTable('point', { id: t.integer().primaryKey(), value: t.text().notNull() });
const account = t.pgTable('account', { id: t.integer().primaryKey(), note: t.text().notNull() });
const entry = t.pgTable('entry', {
  id: t.bigserial({ mode: 'bigint' }).primaryKey(),
  value: t.text().notNull(),
});
const wide = t.pgTable('wide', {
  id: t.integer().primaryKey(),
  big: t.bigint({ mode: 'bigint' }).notNull(),
  name: t.text().notNull(),
  active: t.boolean().notNull(),
  score: t.doublePrecision().notNull(),
  price: t.numeric({ precision: 12, scale: 2 }).notNull(),
  seen: t.timestamp({ withTimezone: true }).notNull(),
  born: t.date().notNull(),
  token: t.uuid().notNull(),
  doc: t.jsonb().notNull(),
});

type Db = Pick<NodePgDatabase, 'select' | 'update'>;

/** Does not close the pool: that is its owner's. */
export function drizzlePeer(name: string, client: NodePgClient): Peer {
  const db = drizzle({ client });
  const readPoint = async (on: Db, id: number): Promise<unknown> =>
    (await on.select().from(point).where(eq(point.id, id)))[0];
  const update = (on: Db, id: number, note: string) =>
    on.update(account).set({ note }).where(eq(account.id, id));
  return {
    name,
    operations: {
      point: (id) => readPoint(db, id),
      wide: (count) => db.select().from(wide).where(lte(wide.id, count)).orderBy(asc(wide.id)),
      insert: async (value) =>
        (await db.insert(entry).values({ value }).returning({ id: entry.id }))[0]?.id,
      update: (id, note) => update(db, id, note),
      transaction: (id, note) =>
        db.transaction(async (tx) => {
          const [row] = await tx.select().from(account).where(eq(account.id, id));
          await update(tx, id, note);
          return row;
        }),
      transactionShort: (id) => db.transaction((tx) => readPoint(tx, id)),
    },
  };
}
