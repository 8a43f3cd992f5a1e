// Reads that share connections on a real server: nobody waits behind a slow one, and nobody is answered twice or wrongly.
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import type { LaneStats } from '../../libs/database/src/pool/pool-stats.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('lane');

const POINT = 'select id, value from entry where id = $1';
let app: DatabaseApp;

beforeAll(async () => {
  await database.sql('create table entry (id int primary key, value text not null)');
  await database.sql(`insert into entry select i, 'v' || i from generate_series(0, 999) i`);
});

beforeEach(async () => {
  const pool = { max: 20, min: 20 };
  app = await startDatabaseApp({ url: database.url, pool, telemetry: { log: false } });
  await share(POINT, [1]);
});
afterEach(() => app.close());
useLeakCheck({ database });

const lane = (): LaneStats => app.lane();

/** Runs a read until its text shares connections. */
async function share(text: string, values: readonly unknown[]): Promise<void> {
  const before = lane().sent;
  await waitFor(
    async () => {
      await app.db.read(text, values);
      return lane().sent > before;
    },
    { describe: 'the text to be known as fast', intervalMs: 0 },
  );
}

/** Runs a read, many in a turn, until the server answers some of them together. */
async function batch(text: string, values: readonly unknown[]): Promise<void> {
  const before = lane().batched;
  await waitFor(
    async () => {
      await Promise.all(Array.from({ length: 16 }, () => app.db.read(text, values)));
      return lane().batched > before;
    },
    { describe: 'the text to be known as quick', intervalMs: 0 },
  );
}

const readPoint = async (id: number): Promise<void> => {
  const rows = await app.db.read<{ id: number; value: string }>(POINT, [id]);
  expect(rows).toEqual([{ id, value: `v${id}` }]);
};

/** Each is told its own quotient, or that it divides by zero. */
async function expectQuotients(text: string): Promise<void> {
  const settled = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) => app.db.read<{ quotient: number }>(text, [n % 3])),
  );
  for (const [n, outcome] of settled.entries()) {
    if (n % 3 === 0) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { sqlState: '22012' } });
    } else {
      const quotient = n % 3 === 1 ? 10 : 5;
      expect(outcome).toMatchObject({ status: 'fulfilled', value: [{ quotient }] });
    }
  }
}

describe('reads that share connections', () => {
  it('are answered each with its own row, a thousand at a time', async () => {
    const before = lane().sent;
    for (let round = 0; round < 10 && lane().sent - before <= 100; round++) {
      await share(POINT, [1]);
      await Promise.all(Array.from({ length: 1_000 }, (_, id) => readPoint(id)));
    }
    expect(lane().sent - before).toBeGreaterThan(100);
    expect(lane()).toMatchObject({ inFlight: 0, waiting: 0, connections: 0 });
  });

  // Whether they are in a batch is up to the machine; what a batch promises is proven in test/contract/pg-batches.spec.ts.
  it('fail each by its own error', async () => {
    const text = 'select 10 / $1::int as quotient';
    const before = lane().repeated;
    for (let round = 0; round < 10 && lane().repeated === before; round++) {
      await batch(text, [5]);
      await expectQuotients(text);
    }
  });

  it('are answered together where they are quick, by prepared statements and by others', async () => {
    const before = lane().batched;
    await batch(POINT, [1]);
    // More texts than are prepared.
    const texts = Array.from({ length: 600 }, (_, n) => `${POINT} /* ${n} */`);
    for (let round = 0; round < 20 && lane().batched - before <= 200; round++) {
      await Promise.all(
        texts.map(async (text, id) => {
          expect(await app.db.read(text, [id])).toEqual([{ id, value: `v${id}` }]);
        }),
      );
    }
    expect(lane().batched - before).toBeGreaterThan(0);
  });

  it('of the shape of a slow one are answered before it, and it once', async () => {
    const text = 'select count(*)::int as n from generate_series(1, $1::int) i where i % 7 = 3';
    const count = (to: number): Promise<unknown[]> => app.db.read(text, [to]);
    const before = lane().rescued;
    for (let round = 0; round < 20 && lane().rescued === before; round++) {
      await batch(text, [1]);
      const startedAtMs = performance.now();
      const fast = [3, 10, 17].map(count);
      const slow = count(4_000_001);
      fast.push(...[24, 31, 38, 45].map(count));
      const rows = await Promise.all(fast);
      const fastMs = performance.now() - startedAtMs;
      expect(rows).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => [{ n }]));
      expect(await slow).toEqual([{ n: 571_429 }]);
      expect(performance.now() - startedAtMs).toBeGreaterThan(fastMs);
    }
    expect(lane().rescued).toBeGreaterThan(before);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the pool to rest' });
  }, 60_000);

  it('that fail to serialize fail alone', async () => {
    await database.sql(`create or replace function unlucky(n int) returns int language plpgsql immutable as
      $$ begin if n = 13 then raise exception using errcode = '40001'; end if; return n; end $$`);
    // A function of ours is not known to be harmless; behind an operator it is not seen.
    await database.sql('drop operator if exists ~! (none, int)');
    await database.sql('create operator ~! (rightarg = int, function = unlucky)');
    const text = 'select ~! $1::int as n';
    for (let round = 0; round < 10 && lane().repeated === 0; round++) {
      await batch(text, [1]);
      const settled = await Promise.allSettled(
        [1, 2, 13, 4, 5, 6, 7, 8].map((n) => app.db.read(text, [n])),
      );
      expect(settled.map(({ status }) => status)).toEqual([
        ...['fulfilled', 'fulfilled', 'rejected'],
        ...['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
      ]);
    }
  });

  it('do not wait behind a slow one whose text was fast before', async () => {
    // pg_sleep is not known to be harmless: the time goes into a count instead.
    const text = 'select count(*) as n from generate_series(1, $1::int) i where i % 7 = 3';
    const before = lane().rescued;
    // Whether a text shares is judged anew each time, by how fast a busy machine lets it be: until both do at once.
    for (let round = 0; round < 20 && lane().rescued === before; round++) {
      await share(text, [1]);
      await share(POINT, [1]);
      const startedAtMs = performance.now();
      const slow = app.db.read(text, [4_000_000]);
      await Promise.all(Array.from({ length: 50 }, (_, id) => readPoint(id)));
      const fastMs = performance.now() - startedAtMs;
      await slow;
      expect(performance.now() - startedAtMs).toBeGreaterThan(fastMs);
    }
    expect(lane().rescued).toBeGreaterThan(before);
  }, 60_000);

  it('survive the death of their connections: each is answered, once', async () => {
    const ids = Array.from({ length: 400 }, (_, id) => id);
    let answers = 0;
    const reads = ids.map(async (id) => {
      await readPoint(id);
      answers++;
    });
    const kill =
      `select pg_terminate_backend(pid) from pg_stat_activity ` +
      `where datname = current_database() and application_name <> '' and pid <> pg_backend_pid()`;
    await Promise.all([...reads, database.sql(kill)]);
    expect(answers).toBe(400);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the pool to rest' });
  });

  it('never a statement that is not known to be harmless', async () => {
    await database.sql('create table if not exists written (n int)');
    await database.sql(`create or replace function notes() returns int language plpgsql volatile
      as $$ begin insert into written values (1); return 1; end $$`);
    // Declared STABLE, and writes all the same, by way of another one.
    await database.sql(`create or replace function looks_pure() returns int language plpgsql stable
      as $$ begin perform notes(); return 1; end $$`);
    const before = lane().sent;
    for (let run = 0; run < 20; run++) {
      await app.db.query('select notes()');
      await app.db.read('select looks_pure()');
      await app.db.query('insert into written values (2)');
      await app.db.transaction((tx) => tx.query(POINT, [1]));
      await app.db.session((session) => session.query(POINT, [1]));
    }
    expect(lane().sent).toBe(before);
    const [{ n } = { n: 0 }] = await database.sql<{ n: string }>(
      'select count(*) as n from written',
    );
    expect(Number(n)).toBe(60);
  });

  it('see what was written before, on the same connections as everybody else', async () => {
    for (let round = 0; round < 50; round++) {
      await app.db.query('update entry set value = $1 where id = 5', [`r${round}`]);
      const reads = await Promise.all(
        Array.from({ length: 10 }, () => app.db.read<{ value: string }>(POINT, [5])),
      );
      for (const [row] of reads) expect(row?.value).toBe(`r${round}`);
    }
    await app.db.query(`update entry set value = 'v5' where id = 5`);
  });

  it('a caller who goes away takes nobody with him', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, id) => {
        if (id % 3 !== 0) return readPoint(id);
        const controller = new AbortController();
        const read = app.db.read(POINT, [id], { signal: controller.signal });
        controller.abort();
        return read;
      }),
    );
    const failed = outcomes.flatMap((outcome, id) => (outcome.status === 'rejected' ? [id] : []));
    expect(failed).toEqual(Array.from({ length: 100 }, (_, n) => n * 3));
    await readPoint(7);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the pool to rest' });
  });
});
