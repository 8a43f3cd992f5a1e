// The database that applications test against: real, empty, dropped afterwards.
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { startTestDatabase } from 'nestjs-database/testing';
import type { TestDatabase } from 'nestjs-database/testing';
import { isPortFree } from '../../libs/database/src/embedded/free-port.js';
import { startDatabaseApp } from '../support/database-app.js';
import { sql } from '../support/sql.js';
import { makeRunDir } from '../support/test-binaries.js';

let runDir: string;
let dataDir: string;

beforeAll(async () => {
  runDir = await makeRunDir();
  dataDir = join(runDir, 'server');
});
afterAll(() => rm(runDir, { recursive: true, force: true }));

const portOf = ({ url }: TestDatabase): number => Number(new URL(url).port);
const databasesOn = async ({ url }: TestDatabase): Promise<string[]> => {
  const rows = await sql<{ datname: string }>(
    url,
    `select datname from pg_database where datname like 'test%'`,
  );
  return rows.map(({ datname }) => datname);
};

describe('startTestDatabase', () => {
  it('gives each call an empty database of its own on one server, which ends with the last', async () => {
    const [first, second] = await Promise.all([
      startTestDatabase({ dataDir }),
      startTestDatabase({ dataDir }),
    ]);
    expect(portOf(first)).toBe(portOf(second));
    expect(first.name).not.toBe(second.name);
    await sql(first.url, 'create table here (n int)');
    expect(await sql(second.url, `select to_regclass('here') as here`)).toEqual([{ here: null }]);
    expect(await sql(first.url, 'select current_database() as name')).toEqual([
      { name: first.name },
    ]);
    await first.stop();
    expect(await databasesOn(second)).toEqual([second.name]);
    await Promise.all([second.stop(), second.stop()]);
    expect(await isPortFree(portOf(second))).toBe(true);
  });

  it('serves an application, and goes away under its connections', async () => {
    const database = await startTestDatabase({ dataDir });
    const app = await startDatabaseApp({ url: database.url });
    expect(await app.db.one('select 1 as one')).toEqual({ one: 1 });
    await database.stop();
    await app.close();
  });

  it('clears away what an earlier process left behind', async () => {
    const first = await startTestDatabase({ dataDir });
    // No process has this id: it is beyond what Linux, macOS and Windows hand out.
    const left = 'test_2147483646_00000000';
    await sql(first.url, `create database ${left}`);
    const second = await startTestDatabase({ dataDir });
    expect((await databasesOn(second)).toSorted()).toEqual([first.name, second.name].toSorted());
    await Promise.all([first.stop(), second.stop()]);
  });
});
