// Statements that are prepared without being asked for: nobody may notice, whatever happens to the tables and the session.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PoolOptions } from '../../libs/database/src/pool/pool.options.js';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('prepared');
let app: DatabaseApp;

/** One connection, so that every statement meets the same session. */
async function open(pool: Partial<PoolOptions> = {}): Promise<void> {
  app = await startDatabaseApp({
    url: database.url,
    pool: { max: 1, min: 1, ...pool },
    telemetry: { log: false },
  });
}

beforeEach(async () => {
  await database.sql('drop table if exists thing');
  await database.sql('create table thing (id int primary key, name text)');
  await database.sql(`insert into thing values (1, 'one'), (2, 'two')`);
});
afterEach(() => app.close());
useLeakCheck({ database });

/** Texts that the session has prepared. */
async function prepared(): Promise<string[]> {
  const text = 'select statement from pg_prepared_statements order by prepare_time';
  const { rows } = await app.db.query<{ statement: string }>(text);
  return rows.map(({ statement }) => statement).filter((statement) => statement !== text);
}

async function twice(run: () => Promise<unknown>): Promise<void> {
  await run();
  await run();
}

const ALL = 'select * from thing where id = $1';
const all = (id = 1): Promise<unknown> => app.db.query(ALL, [id]).then(({ rows }) => rows);

describe('a text', () => {
  it('is prepared at its second use, with and without values', async () => {
    await open();
    await all();
    await app.db.query('select 1 as one');
    expect(await prepared()).toEqual([]);
    await all();
    await app.db.query('select 1 as one');
    expect(await prepared()).toEqual([ALL, 'select 1 as one']);
    expect(await all(2)).toEqual([{ id: 2, name: 'two' }]);
  });

  it('is given up when there are more than may be, the least recently used one first', async () => {
    await open({ prepare: 3 });
    for (let n = 0; n < 3; n++) await twice(() => app.db.query(`select ${n} as n`));
    await app.db.query('select 0 as n');
    await twice(() => app.db.query('select 9 as n'));
    expect(await prepared()).toEqual(['select 0 as n', 'select 2 as n', 'select 9 as n']);
  });

  it.each([false, 0] as const)('is never prepared with prepare: %s', async (prepare) => {
    await open({ prepare });
    await twice(all);
    expect(await prepared()).toEqual([]);
    await app.db.query({ text: ALL, values: [1], name: 'mine' });
    expect(await prepared()).toEqual([ALL]);
  });

  it('gives columns that nobody can change for those who get the same ones', async () => {
    await open();
    const answer = await app.db.query(ALL, [1]);
    const fields = answer.fields as unknown as Array<{ name: string }>;
    const [field] = fields;
    expect(() => fields.splice(0)).toThrow(TypeError);
    expect(() => {
      if (field !== undefined) field.name = 'mine';
    }).toThrow(TypeError);
    expect((await app.db.query(ALL, [1])).fields).toMatchObject([{ name: 'id' }, { name: 'name' }]);
  });

  it('with several statements is run as it is', async () => {
    await open();
    for (let run = 0; run < 3; run++) {
      const { rows } = await app.db.query(
        `update thing set name = 'a;b' where id = 1; select 7 as n`,
      );
      expect(rows).toEqual([{ n: 7 }]);
    }
    await expect(app.db.query('select 1; select $1::int', [1])).rejects.toMatchObject({
      sqlState: '42601',
    });
  });

  it('that the server refuses is refused the same way each time', async () => {
    await open();
    for (let run = 0; run < 3; run++) {
      await expect(
        app.db.query('select nosuch from thing where id = $1', [1]),
      ).rejects.toMatchObject({ sqlState: '42703', position: 8 });
    }
    // Values of a wrong number leave the statement as it was.
    await twice(all);
    await expect(app.db.query(ALL, [1, 2])).rejects.toMatchObject({ sqlState: '08P01' });
    await expect(app.db.query(ALL, ['x'])).rejects.toMatchObject({ sqlState: '22P02' });
    expect(await all()).toEqual([{ id: 1, name: 'one' }]);
  });

  it('of names: one that stands for another text is refused, and harms nobody', async () => {
    await open();
    await app.db.query({ text: 'select 1 as n', name: 'mine' });
    await expect(app.db.query({ text: 'select 2 as n', name: 'mine' })).rejects.toThrow(/mine/);
    expect((await app.db.query({ text: 'select 1 as n', name: 'mine' })).rows).toEqual([{ n: 1 }]);
  });
});

describe('a session', () => {
  it('whose columns change goes on: the text is prepared again', async () => {
    await open();
    await twice(all);
    await database.sql('alter table thing add column extra int default 5');
    expect(await all()).toEqual([{ id: 1, name: 'one', extra: 5 }]);
    await database.sql('alter table thing alter column extra type text');
    expect(await all()).toEqual([{ id: 1, name: 'one', extra: '5' }]);
    await twice(all);
    // The old one is closed.
    expect(await prepared()).toEqual([ALL]);
  });

  it('whose columns change under a transaction runs it again, once', async () => {
    await open();
    await twice(all);
    await database.sql('alter table thing add column extra int default 5');
    let runs = 0;
    const rows = await app.db.transaction(async (tx) => {
      runs++;
      await tx.query(`insert into thing (id, name) values (3, 'three')`);
      return (await tx.query(ALL, [3])).rows;
    });
    expect(rows).toEqual([{ id: 3, name: 'three', extra: 5 }]);
    expect(runs).toBe(2);
  });

  it('that could not prepare a text behind BEGIN does not take it for prepared', async () => {
    await open();
    await database.sql('drop table if exists later');
    let runs = 0;
    // The limit of time, another one each time, makes a text that nobody prepares between BEGIN and the statement.
    const read = (timeoutMs: number): Promise<unknown> =>
      app.db.transaction(
        (tx) => {
          runs++;
          return tx.query('select id from later where id = $1', [1]);
        },
        { timeoutMs },
      );
    for (const timeoutMs of [5_000, 6_000]) {
      await expect(read(timeoutMs)).rejects.toMatchObject({ sqlState: '42P01' });
    }
    await database.sql('create table later (id int)');
    runs = 0;
    await read(8_000);
    expect(runs).toBe(1);
  });

  it('is told of what is not supported as it is, in a transaction too, and once', async () => {
    await open();
    await database.sql(
      `create or replace function refuse(int) returns int language plpgsql as
       $$ begin raise feature_not_supported using message = 'not here'; end $$`,
    );
    const text = 'select refuse($1)';
    let runs = 0;
    for (let run = 0; run < 3; run++) {
      const refused = { name: 'QueryError', sqlState: '0A000', message: 'not here' };
      await expect(app.db.query(text, [1])).rejects.toMatchObject(refused);
      const work = app.db.transaction((tx) => {
        runs++;
        return tx.query(text, [1]);
      });
      await expect(work).rejects.toMatchObject(refused);
    }
    expect(runs).toBe(3);
  });

  it.each(['deallocate all', 'discard all'])('that forgets all by %s goes on', async (text) => {
    await open();
    await twice(all);
    await app.db.query(text);
    expect(await all()).toEqual([{ id: 1, name: 'one' }]);
  });

  it('that forgets in a way nobody sees goes on', async () => {
    await open();
    await twice(all);
    await app.db.query(`do $$ begin execute 'deallocate all'; end $$`);
    expect(await all()).toEqual([{ id: 1, name: 'one' }]);
  });

  it('whose names somebody else has taken goes on', async () => {
    await open();
    await app.db.query('prepare nestjs_database_1 as select 1');
    await app.db.query('prepare nestjs_database_2 as select 2');
    for (let run = 0; run < 3; run++) expect(await all()).toEqual([{ id: 1, name: 'one' }]);
  });
});

describe('large and many', () => {
  it('65,535 values are sent, and one more is refused before anything is', async () => {
    await open();
    const list = (count: number): [string, number[]] => {
      const numbers = Array.from({ length: count }, (_, n) => n);
      return [`select ${numbers.map((n) => `$${n + 1}::int`).join('+')} as sum`, numbers];
    };
    const [text, values] = list(1_000);
    expect((await app.db.query(text, values)).rows).toEqual([{ sum: 499_500 }]);
    const most = Array.from({ length: 65_535 }, () => 1);
    const places = most.map((_, n) => `($${n + 1}::int)`).join(',');
    const { rows } = await app.db.query(
      `select count(*)::int as n from (values ${places}) v`,
      most,
      {
        timeoutMs: 60_000,
      },
    );
    expect(rows).toEqual([{ n: 65_535 }]);
    await expect(app.db.query('select 1', [...most, 1])).rejects.toMatchObject({
      position: 65_536,
    });
    expect((await app.db.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  }, 60_000);

  it('a row of 100 MB arrives whole, and the connection goes on', async () => {
    await open();
    const { rows } = await app.db.query<{ blob: string; tail: number }>(
      `select repeat('x', 100000000) as blob, 7 as tail`,
      [],
      { timeoutMs: 60_000 },
    );
    expect(rows[0]?.blob.length).toBe(100_000_000);
    expect(rows[0]?.tail).toBe(7);
    expect(await all()).toEqual([{ id: 1, name: 'one' }]);
  }, 60_000);
});
