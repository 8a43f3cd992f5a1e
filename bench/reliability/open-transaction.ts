// A client released inside BEGIN: is the next borrower's insert lost with the transaction that is not his?
import { openOurs, openPgPool } from './scene.js';
import type { Case } from './scene.js';

const TIMES = 50;

/** As far as both facades go. */
interface AnyPool {
  connect(): Promise<{ query(text: string): Promise<unknown>; release(): void }>;
  query(text: string): Promise<unknown>;
}

async function handOn(pool: AnyPool, who: string): Promise<void> {
  for (let n = 0; n < TIMES; n++) {
    const forgetful = await pool.connect();
    await forgetful.query('begin');
    forgetful.release();
    await pool.query(`insert into handed values ('${who}')`);
    const last = await pool.connect();
    await last.query('rollback');
    last.release();
  }
}

export const openTransaction: Case = {
  name: `open transaction handed on: ${TIMES} forgotten ones, an insert after each`,
  async run({ primary }) {
    await primary.sql('create table handed (who text)');
    const url = primary.url();
    const { core } = await openOurs({ url, pool: { max: 1, min: 1 } });
    const { newPgPool } = await import('../../libs/database/src/database.adapters.js');
    const pool = openPgPool(url, 1);
    await handOn(newPgPool(core, 'primary'), 'nestjs-database');
    await handOn(pool, 'pg.Pool');
    await core.close();
    await pool.end();
    const stored = async (who: string): Promise<number> => {
      const text = 'select count(*)::int as n from handed where who = $1';
      return (await primary.sql<{ n: number }>(text, [who]))[0]?.n ?? 0;
    };
    const line = async <Who extends 'nestjs-database' | 'pg.Pool'>(who: Who) => ({
      who,
      figures: { lostInserts: TIMES - (await stored(who)) },
    });
    return [await line('nestjs-database'), await line('pg.Pool')];
  },
};
