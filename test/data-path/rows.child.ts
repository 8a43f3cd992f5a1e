// Compares the rows of our reader with those of `pg`, in a process of its own for the sake of its time zone. Tells what differs by a line of JSON.
import { inspect } from 'node:util';
import pg from 'pg';
import type { Column } from '../../libs/database/src/driver/rows/column.js';
import { loopingReaders } from '../../libs/database/src/driver/rows/looping-reader.js';
import { parsersOf } from '../../libs/database/src/driver/rows/parsers.js';
import { chooseFormats, planCells } from '../../libs/database/src/driver/rows/plan.js';
import { newRowReader } from '../../libs/database/src/driver/rows/row-reader.js';
import { RawSession } from '../support/raw-session.js';
import { newRandom, valuesByType } from './rows-values.js';
import type { Random } from './rows-values.js';

const [url = '', seedText = '1'] = process.argv.slice(2);
const SERVER_ZONES = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia'];
const COLUMNS_BY_TYPE = 2;

/** All that a caller can see of a row, with -0, invalid dates and the names in their order. */
function shown(row: unknown): string {
  return inspect(row, { depth: 9, maxStringLength: null, maxArrayLength: null, breakLength: 1e9 });
}

function quoted(value: string): string {
  return value.includes('\\')
    ? ` E'${value.replace(/[\\']/g, '$&$&')}'`
    : `'${value.replace(/'/g, "''")}'`;
}

/** Random rows of one type, or of several ones side by side. */
function statementOf(types: readonly string[], random: Random, rowCount: number): string {
  const columns = types.flatMap((type) => Array.from({ length: COLUMNS_BY_TYPE }, () => type));
  const rows = Array.from({ length: rowCount }, () => {
    const cells = columns.map((type) => {
      const value = random.below(9) === 0 ? undefined : valuesByType[type]?.(random);
      return value === undefined ? `null::${type}` : `${quoted(value)}::${type}`;
    });
    return `(${cells.join(', ')})`;
  });
  return `select * from (values ${rows.join(',\n')}) as t`;
}

async function compare(
  client: pg.Client,
  session: RawSession,
  text: string,
  note: string,
  choose = (columns: readonly Column[]) => chooseFormats(columns, undefined),
): Promise<string[]> {
  const differences: string[] = [];
  for (const rowMode of ['object', 'array'] as const) {
    const query = { text, rowMode: rowMode as string };
    const theirs = (await client.query(query as pg.QueryConfig)).rows as unknown[];
    for (const chosen of [() => undefined, choose]) {
      const { columns, formats, rows } = await session.query(text, chosen);
      if (rows.length !== theirs.length) throw new Error(`${rows.length} of ${theirs.length} rows`);
      const readers = [
        newRowReader(columns, formats, rowMode, undefined),
        loopingReaders(
          planCells(columns, formats, parsersOf(columns, undefined)),
          rowMode,
        )(parsersOf(columns, undefined)),
      ];
      for (const [index, { buffer, at }] of rows.entries()) {
        const expected = shown(theirs[index]);
        for (const read of readers) {
          const mine = shown(read(buffer, at));
          const form = formats === undefined ? 'text' : 'binary';
          if (mine !== expected) differences.push(`${note} ${form}: ${mine} for ${expected}`);
        }
      }
    }
  }
  return differences;
}

async function main(): Promise<string[]> {
  const random = newRandom(Number(seedText));
  const client = new pg.Client({ connectionString: url });
  const session = await RawSession.open({ connectionString: url });
  const differences: string[] = [];
  const everywhere = async (text: string): Promise<void> => {
    await client.query(text);
    await session.simple(text);
  };
  await client.connect();
  for (const type of Object.keys(valuesByType)) {
    const text = statementOf([type], random, 30);
    differences.push(...(await compare(client, session, text, type)));
  }
  const dated = ['timestamptz', 'timestamp', 'date', 'timestamptz[]'];
  for (const zone of SERVER_ZONES) {
    await everywhere(`set timezone = '${zone}'`);
    const text = statementOf(dated, random, 40);
    differences.push(...(await compare(client, session, text, zone)));
  }
  const all = Object.keys(valuesByType);
  for (let round = 0; round < 4; round++) {
    const types = Array.from(
      { length: 1 + random.below(12) },
      () => all[random.below(all.length)]!,
    );
    const text = statementOf(types, random, 10);
    differences.push(...(await compare(client, session, text, types.join())));
  }
  await everywhere(
    `set bytea_output = 'escape'; set extra_float_digits = 0; set intervalstyle = 'iso_8601'`,
  );
  const rendered = statementOf(['bytea', 'float8', 'float4', 'interval'], random, 30);
  differences.push(...(await compare(client, session, rendered, 'rendered otherwise')));
  for (const style of ['SQL, DMY', 'German', 'Postgres, MDY']) {
    await everywhere(`set datestyle = '${style}'`);
    const text = statementOf(dated.slice(0, 3), random, 30);
    differences.push(...(await compare(client, session, text, style, () => undefined)));
  }
  await client.end();
  session.close();
  return differences;
}

process.stdout.write(JSON.stringify(await main()));
