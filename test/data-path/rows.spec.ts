// Rows of real values, as our reader makes them of the bytes and as `pg` does.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from '@jest/globals';
import { chooseFormats } from '../../libs/database/src/driver/rows/plan.js';
import { newRowReader } from '../../libs/database/src/driver/rows/row-reader.js';
import { useTestDatabase } from '../support/postgres.js';
import { RawSession } from '../support/raw-session.js';

const database = useTestDatabase('rows');
const run = promisify(execFile);

beforeAll(async () => {
  await database.sql(`create type row_mood as enum ('glad', 'so so')`);
  await database.sql('create domain row_positive as int4 check (value > 0)');
  await database.sql('create domain row_day as date');
  await database.sql('create type row_pair as (a int4, b text)');
});

/** Zones of the process: without and with a change of the clock, behind and ahead, by half hours, and one that skipped a day. */
const ZONES = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia'];

/** What differs in a process of that zone; the seed repeats it. */
async function differencesIn(zone: string, seed: number): Promise<object> {
  const args = ['--import', join(import.meta.dirname, '../support/register-ts.mjs')];
  const child = join(import.meta.dirname, 'rows.child.ts');
  const { stdout } = await run(process.execPath, [...args, child, database.url, String(seed)], {
    env: { ...process.env, TZ: zone },
    maxBuffer: 100_000_000,
  });
  const differences = JSON.parse(stdout) as string[];
  return { zone, seed, count: differences.length, first: differences.slice(0, 5) };
}

it('equal those of pg, whatever the zones of the server and of the process', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const found = await Promise.all(ZONES.map((zone) => differencesIn(zone, seed)));
  expect(found).toEqual(ZONES.map((zone) => ({ zone, seed, count: 0, first: [] })));
});

/** What is read in binary, and what `pg` has for it. */
async function inBinary(value: string): Promise<unknown> {
  const session = await RawSession.open({ connectionString: database.url });
  try {
    const { columns, formats, rows } = await session.query(
      `select '${value}'::timestamptz as at`,
      (described) => chooseFormats(described, undefined),
    );
    expect(formats).toEqual([1]);
    const [{ buffer, at }] = rows as [(typeof rows)[0]];
    return (newRowReader(columns, formats, 'object', undefined)(buffer, at) as { at: unknown }).at;
  } finally {
    session.close();
  }
}

it('a timestamptz in binary is the instant, where pg is wrong by a day: on the leap day of 1 BC', async () => {
  const [row] = await database.sql<{ at: Date }>(
    `select '0001-02-29 12:00:00Z BC'::timestamptz as at`,
  );
  const mine = (await inBinary('0001-02-29 12:00:00Z BC')) as Date;
  expect(mine.toISOString()).toBe('0000-02-29T12:00:00.000Z');
  expect(row?.at.getTime()).toBe(mine.getTime() + 86_400_000);
});

it('reads a BINARY cursor as pg does', async () => {
  const session = await RawSession.open({ connectionString: database.url });
  try {
    await session.simple(`begin; declare c binary cursor for select 'é'::text as v, 7::int8 as n`);
    const { columns, rows } = await session.simple('fetch 1 from c');
    expect(columns.map(({ format }) => format)).toEqual(['binary', 'binary']);
    const [{ buffer, at }] = rows as [(typeof rows)[0]];
    expect(newRowReader(columns, undefined, 'object', undefined)(buffer, at)).toEqual({
      v: 'é',
      n: '7',
    });
  } finally {
    session.close();
  }
});
