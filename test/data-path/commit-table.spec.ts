// The table of COMMIT tokens does not grow for ever: old rows are swept, a bounded number at a time, and none that counts.
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { DatabaseCore } from '../../libs/database/src/database.core.js';
import { resolveOptions } from '../../libs/database/src/database.options.js';
import { FakeClock } from '../../libs/database/src/testing/fake-clock.js';
import { CommitTable } from '../../libs/database/src/transaction/commit-table.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const database = useTestDatabase('commit_table');

let core: DatabaseCore;
let clock: FakeClock;
let table: CommitTable;
let failures: unknown[];

beforeEach(async () => {
  const telemetry = { log: false };
  core = new DatabaseCore(
    resolveOptions({ url: database.url, pool: { max: 2, min: 0 }, telemetry }),
  );
  await core.start();
  failures = [];
  core.events.on('work:failed', (facts) => failures.push(facts));
  clock = new FakeClock();
  const { desk, events } = core;
  table = new CommitTable({ name: 'public.commits', desk, clock, events });
  await table.ensure();
});
afterEach(async () => {
  await core.close();
  await database.sql('drop table if exists public.commits');
});
useLeakCheck({ database });

const store = (tokens: readonly string[]): Promise<unknown> =>
  database.sql('insert into public.commits select unnest($1::uuid[])', [tokens]);
const count = async (): Promise<number> => {
  const [row] = await database.sql<{ n: number }>('select count(*)::int as n from public.commits');
  return row?.n ?? -1;
};
const newTokens = (length: number): string[] => Array.from({ length }, () => table.newToken());

it('rows of the day stay, older ones go', async () => {
  await store(newTokens(20));
  await clock.elapseMs(2 * HOUR_MS);
  const young = newTokens(20).toSorted();
  await store(young);
  await clock.elapseMs(22 * HOUR_MS + MINUTE_MS);
  table.sweepNowAndThen();
  await waitFor(async () => (await count()) === 20, { describe: 'the old rows to go' });
  const rows = await database.sql<{ token: string }>('select token from public.commits order by 1');
  expect(rows.map(({ token }) => token)).toEqual(young);
  expect(failures).toEqual([]);
});

it('a sweep is bounded, and follows the one before after a minute', async () => {
  await store(newTokens(10_050));
  await clock.elapseMs(25 * HOUR_MS);
  table.sweepNowAndThen();
  await waitFor(async () => (await count()) === 50, { describe: 'the first 10,000 rows to go' });
  await clock.elapseMs(MINUTE_MS - 1);
  table.sweepNowAndThen();
  // What was sent before this one is answered: a sweep would have come ahead of it.
  await core.desk.sendAlone({ text: 'select 1' });
  expect(await count()).toBe(50);
  await clock.elapseMs(1);
  table.sweepNowAndThen();
  await waitFor(async () => (await count()) === 0, { describe: 'the rest to go' });
});

it('a sweep that fails is told, and tried again', async () => {
  await store(newTokens(5));
  await clock.elapseMs(25 * HOUR_MS);
  await database.sql('alter table public.commits rename to elsewhere');
  table.sweepNowAndThen();
  await waitFor(() => failures.length === 1, { describe: 'the failure to be told' });
  expect(failures).toEqual([
    { work: 'commit table sweep', error: expect.objectContaining({ sqlState: '42P01' }) },
  ]);
  await database.sql('alter table public.elsewhere rename to commits');
  await clock.elapseMs(MINUTE_MS);
  table.sweepNowAndThen();
  await waitFor(async () => (await count()) === 0, { describe: 'the old rows to go' });
  expect(failures).toHaveLength(1);
});
