// What goes wrong in the middle of a batch, on a real server: nobody is told what does not count, and everybody is told.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Checks } from '../../libs/database/src/kernel/option-checks.js';
import type { Connection, Departure } from '../../libs/database/src/driver/driver.js';
import { pgDriver } from '../../libs/database/src/driver/pg-driver.js';
import { parseTarget } from '../../libs/database/src/driver/target.js';
import type { ConnectionTarget } from '../../libs/database/src/driver/target.js';
import type { Statement } from '../../libs/database/src/query/query.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('driver_batches');

const DIVIDE = 'select 10 / $1::int as quotient';
const NUMERIC = 1700;

let connection: Connection;

beforeEach(async () => {
  const checks = new Checks();
  const defaults = { tls: { mode: 'disable' }, applicationName: 'driver batches' } as const;
  const target = parseTarget('url', database.url, defaults, checks) as ConnectionTarget;
  const traits = { keepsBackend: () => true, preparedMax: 2 };
  connection = await pgDriver.connect(target, 5_000, traits);
});
afterEach(() => connection.end(2_000));
useLeakCheck({ database });

/** The rows, or the code of what it failed by. */
function ask(
  statement: Statement,
  departure: Departure = 'batch',
  told: () => void = () => undefined,
): Promise<unknown> {
  return new Promise((resolve) => {
    connection.execute(
      statement,
      {
        replied: (error, result) => {
          told();
          const { rows } = (result ?? {}) as { readonly rows?: unknown };
          resolve(error === undefined ? rows : (error.sqlState ?? error.code));
        },
      },
      [],
      departure,
    );
  });
}
const divide = (by: number): Statement => ({ text: DIVIDE, values: [by] });
const now = (text: string): Promise<unknown> => ask({ text }, 'now');
const batch = (...statements: readonly Statement[]): Promise<unknown[]> =>
  Promise.all(statements.map((statement) => ask(statement)));

describe('a batch', () => {
  it('that is rolled back answers nobody: under SERIALIZABLE they may have seen what never was', async () => {
    await database.sql('create table day (number int)');
    await database.sql('insert into day values (1)');
    await database.sql('create table receipt (day int)');
    await now(`set default_transaction_isolation = 'serializable'`);
    const writer = new pg.Client({ connectionString: database.url });
    await writer.connect();
    try {
      await writer.query('begin isolation level serializable');
      await writer.query('select number from day');
      await database.sql('begin isolation level serializable; update day set number = 2; commit');
      const report = {
        text: 'select (select count(*)::int from receipt where day < number) as receipts from day where number > $1',
        values: [0],
      };
      const [receipts] = await batch(report, divide(0));
      // The day is over, and another receipt of it comes all the same: a report of it that counts would have forbidden it.
      await writer.query('insert into receipt values (1)');
      await writer.query('commit');
      expect(receipts).toBe('DB_SKIPPED');
    } finally {
      await writer.end();
    }
  });

  it.each([new Error('no such quotient'), 'a text', null, undefined])(
    'tells a caller that his parser threw %p, and the others their rows',
    async (thrown) => {
      const types = {
        getTypeParser: () => () => {
          throw thrown as Error;
        },
      };
      const answers = await batch(divide(1), { ...divide(2), types }, divide(5));
      expect(answers).toEqual([[{ quotient: 10 }], 'DB_QUERY', [{ quotient: 2 }]]);
      expect(connection.transactionStatus).toBe('idle');
    },
  );

  it('that failed is not answered for the sake of a parser that threw as well', async () => {
    const types = {
      getTypeParser: () => () => {
        throw new Error('no such quotient');
      },
    };
    const text = 'select 10 / n as quotient from unnest($1::int[]) n';
    const answers = await batch(divide(1), { text, values: [[1, 0]], types });
    expect(answers).toEqual(['DB_SKIPPED', expect.any(String)]);
  });

  it('with a statement that the server has lost answers each with its own rows', async () => {
    const double = { text: 'select 2 * $1::int as double', values: [4] };
    for (let round = 0; round < 5; round++) {
      for (let use = 0; use < 3; use++) await batch(divide(1), double);
      // By a way that the library does not see: it takes them for prepared.
      await now(`do $$ begin execute 'deallocate all'; end $$`);
      const answers = await batch(divide(1), divide(2), double, divide(5), double);
      for (const [at, answer] of answers.entries()) {
        if (answer === 'DB_SKIPPED') continue;
        const rows = [
          { quotient: 10 },
          { quotient: 5 },
          { double: 8 },
          { quotient: 2 },
          { double: 8 },
        ];
        expect(answer).toEqual([rows[at]]);
      }
    }
  });

  it('with a statement whose columns have changed answers that one, by its rows, and nobody else by nothing', async () => {
    await database.sql('create table item (id int)');
    await database.sql('insert into item values (1)');
    const all = { text: 'select * from item where id = $1', values: [1] };
    for (let use = 0; use < 3; use++) await ask(all);
    await database.sql('alter table item add column name text');
    const answers = await batch(divide(1), all, divide(2));
    expect(answers).toEqual(['DB_SKIPPED', [{ id: 1, name: null }], 'DB_SKIPPED']);
  });

  it('closes statements that are too many although it fails', async () => {
    const text = (n: number): Statement => ({ text: `select ${n} / $1::int as n`, values: [1] });
    for (let round = 0; round < 40; round++) {
      const n = 10 * round;
      for (let use = 0; use < 70; use++) await ask(divide(1));
      await batch(text(n), text(n + 1));
      await batch(divide(0), text(n), text(n + 1));
    }
    const rows = await now('select count(*)::int as n from pg_prepared_statements');
    const [{ n }] = rows as [{ n: number }];
    expect(n).toBeLessThanOrEqual(4);
  });

  it('tells everybody when a caller ends the connection inside his reply', async () => {
    for (let use = 0; use < 3; use++) await ask(divide(1));
    await now('deallocate nestjs_database_1');
    const told = [
      ask({ text: 'select 1 where 1 = $1', values: [1] }, 'batch', () => connection.destroy()),
      ask(divide(1)),
      ask(divide(2)),
    ];
    expect(await Promise.all(told)).toHaveLength(3);
  });
});

describe('a parser of values', () => {
  it('that was in force for a moment reads nothing that is asked for later', async () => {
    const text = `select 1.5::numeric as price, 'unlike any other' as layout`;
    for (let use = 0; use < 3; use++) await now(text);
    const own = pg.types.getTypeParser(NUMERIC, 'text') as (value: string) => unknown;
    const restore = (): void => pg.types.setTypeParser(NUMERIC, own);
    const parse = (value: string): string => `custom ${value}`;
    const custom = (): void => pg.types.setTypeParser(NUMERIC, parse);
    custom();
    const first = now(text);
    restore();
    await first;
    custom();
    const [row] = (await now(text)) as [{ price: string }];
    restore();
    expect(row.price).toBe('custom 1.5');
    const [later] = (await now(text)) as [{ price: string }];
    expect(later.price).toBe('1.5');
  });
});
