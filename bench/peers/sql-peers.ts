// Peers that take SQL: pg.Pool plain and with named statements, postgres.js, and the library.
import type pg from 'pg';
import type postgres from 'postgres';
import type { DatabaseService } from '../../libs/database/src/database.service.js';
import type { Row } from '../schema.js';
import { sqlPeer } from './peer.js';
import type { Ask, Peer } from './peer.js';
import { openPostgresJs } from './pools.js';
import type { Pools } from './pools.js';

/** A pool or a client of `pg`. */
type PgQueryable = Pick<pg.Pool, 'query'>;

const plainAsk =
  (on: PgQueryable): Ask =>
  async (text, values) =>
    (await on.query<Row>(text, values as unknown[])).rows;

const names = new Map<string, string>();

/** Prepares each text once a connection, under a name, as an application does by hand. */
export const namedAsk =
  (on: PgQueryable): Ask =>
  async (text, values) => {
    let name = names.get(text);
    if (name === undefined) names.set(text, (name = `bench_${names.size}`));
    return (await on.query<Row>({ name, text, values: values as unknown[] })).rows;
  };

function pgPeer(name: string, pool: pg.Pool, askOn: (on: PgQueryable) => Ask): Required<Peer> {
  const ask = askOn(pool);
  return sqlPeer(name, {
    read: ask,
    write: ask,
    transaction: async (work, { readOnly }) => {
      const client = await pool.connect();
      try {
        await client.query(readOnly ? 'begin read only' : 'begin');
        const answer = await work(askOn(client));
        await client.query('commit');
        client.release();
        return answer;
      } catch (error) {
        client.release(error as Error);
        throw error;
      }
    },
  });
}

/** A pool of `pg`, as its page shows it. */
export const openPgPeer = async (pools: Pools): Promise<Peer> =>
  pgPeer('pg.Pool', pools.pg(), plainAsk);

/** The same pool with a `name` in every query. */
export const openNamedPgPeer = async (pools: Pools): Promise<Peer> =>
  pgPeer('pg.Pool named', pools.pg(), namedAsk);

/** Texts prepared, as its tagged templates are. */
const postgresJsAsk =
  (sql: postgres.ISql): Ask =>
  (text, values) =>
    sql.unsafe<Row[]>(text, values as never[], { prepare: true });

/** postgres.js; it prepares every statement, and sends several on one connection. */
export async function openPostgresJsPeer(pools: Pools): Promise<Peer> {
  const sql = openPostgresJs(pools.target);
  pools.onClose(() => sql.end({ timeout: 5 }));
  const ask = postgresJsAsk(sql);
  return sqlPeer('postgres.js', {
    read: ask,
    write: ask,
    transaction: async <T>(work: (ask: Ask) => Promise<T>, { readOnly }: { readOnly: boolean }) =>
      (await sql.begin(readOnly ? 'read only' : '', (tx) => work(postgresJsAsk(tx)))) as T,
  });
}

/** The library's way to say it. */
function oursPeer(db: DatabaseService): Required<Peer> {
  return sqlPeer('nestjs-database', {
    read: (text, values) => db.read<Row>(text, values),
    write: async (text, values) => (await db.query<Row>(text, values)).rows,
    transaction: (work, { readOnly }) =>
      db.transaction(
        (tx) => work(async (text, values) => (await tx.query<Row>(text, values)).rows),
        readOnly ? { readOnly } : undefined,
      ),
  });
}

/** The library, with its defaults. */
export const openOursPeer = async (pools: Pools): Promise<Peer> =>
  oursPeer((await pools.ours()).db);
