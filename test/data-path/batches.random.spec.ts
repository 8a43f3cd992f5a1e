// Reads of many shapes by many callers at once, while tables change and connections die: each is told what is his, once.
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DatabaseError,
  PoolTimeoutError,
  QueryAbortedError,
  QueryTimeoutError,
} from 'nestjs-database';
import type { QueryOptions, Statement } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import type { LaneStats } from '../../libs/database/src/pool/pool-stats.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('batches_random');
/** Callers of one turn: each of them reads one thing. */
const CALLERS = 48;
const IDS = 100;
/** Each disturbance comes three times. */
const ROUNDS = 18;

let app: DatabaseApp;

beforeAll(async () => {
  await database.sql('create table entry (id int primary key, value text not null)');
  await database.sql(`insert into entry select i, 'v' || i from generate_series(0, 99) i`);
  await database.sql(`create function unlucky(n int) returns int language plpgsql immutable as
    $$ begin if n % 20 = 13 then raise exception using errcode = '40001'; end if; return n; end $$`);
  // A function of ours is not known to be harmless; behind an operator it is not seen.
  await database.sql('create operator ~! (rightarg = int, function = unlucky)');
  await database.sql(`do $$ begin execute format(
    'alter database %I set default_transaction_isolation = serializable', current_database()); end $$`);
});
beforeEach(async () => {
  // Fewer statements than are prepared, so that some of them are given up.
  const pool = { max: 16, min: 16, prepare: 4 };
  app = await startDatabaseApp({ url: database.url, pool, telemetry: { log: false } });
});
afterEach(() => app.close());
useLeakCheck({ database });

const lane = (): LaneStats => app.lane();

/** Whole numbers below a limit, the same ones for the same seed. */
function randomOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** A read of a number, and its row; or what it fails by. */
interface Kind {
  readonly statement: (n: number) => Statement;
  readonly row: (n: number) => unknown;
  readonly failure?: (n: number) => object | undefined;
}

const POINT = 'select id, value from entry where id = $1';
const parsers = (parse: (value: string) => unknown): Statement['types'] => ({
  getTypeParser: () => parse,
});
const KINDS: readonly Kind[] = [
  {
    statement: (n) => ({ text: POINT, values: [n] }),
    row: (n) => ({ id: n, value: `v${n}` }),
  },
  {
    statement: (n) => ({ text: POINT, values: [n], rowMode: 'array' }),
    row: (n) => [n, `v${n}`],
  },
  {
    statement: (n) => ({ text: POINT, values: [n], types: parsers((value) => `<${value}>`) }),
    row: (n) => ({ id: `<${n}>`, value: `<v${n}>` }),
  },
  {
    statement: (n) => ({
      text: POINT,
      values: [n],
      types: parsers((value) => {
        if (value === 'v50') throw new Error('no such value');
        return value;
      }),
    }),
    row: (n) => ({ id: `${n}`, value: `v${n}` }),
    failure: (n) => (n === 50 ? { message: expect.stringContaining('no such value') } : undefined),
  },
  {
    statement: (n) => ({ text: POINT, values: [n], name: 'mine' }),
    row: (n) => ({ id: n, value: `v${n}` }),
  },
  {
    // Its columns change.
    statement: (n) => ({ text: 'select * from entry where id = $1', values: [n] }),
    row: (n) => expect.objectContaining({ id: n, value: `v${n}` }),
  },
  {
    statement: (n) => ({ text: 'select 1000 / ($1::int % 20) as quotient', values: [n] }),
    row: (n) => ({ quotient: Math.trunc(1_000 / (n % 20)) }),
    failure: (n) => (n % 20 === 0 ? { sqlState: '22012' } : undefined),
  },
  {
    statement: (n) => ({ text: 'select ~! $1::int as n', values: [n] }),
    row: (n) => ({ n }),
    failure: (n) => (n % 20 === 13 ? { sqlState: '40001' } : undefined),
  },
  {
    // A text of its own for each number, of one shape.
    statement: (n) => ({ text: `${POINT} /* ${n} */ and ${n} = ${n}`, values: [n] }),
    row: (n) => ({ id: n, value: `v${n}` }),
  },
];

/** What its caller was told. */
async function outcomeOf(statement: Statement, options: QueryOptions): Promise<unknown> {
  try {
    const { rows } = await app.db.query(statement, undefined, options);
    return rows.length === 1 ? rows[0] : rows;
  } catch (error) {
    expect(error).toBeInstanceOf(DatabaseError);
    return error;
  }
}

/** One caller: he may go away, or have little time, or the wrong number of values. */
async function read(random: (limit: number) => number): Promise<void> {
  const kind = KINDS[random(KINDS.length)] as Kind;
  const n = random(IDS);
  const whim = random(30);
  const controller = new AbortController();
  const limit = whim === 0 ? { timeoutMs: 1 } : { signal: controller.signal };
  const options = { idempotent: true, ...limit };
  const told = outcomeOf(kind.statement(n), options);
  if (whim === 1) controller.abort();
  if (whim === 2) setImmediate(() => controller.abort());
  if (whim === 3) process.nextTick(() => controller.abort());
  const outcome = await told;
  const isLate = outcome instanceof QueryTimeoutError || outcome instanceof PoolTimeoutError;
  if (whim === 0 && isLate) return;
  if (whim > 0 && whim < 4 && outcome instanceof QueryAbortedError) return;
  const failure = kind.failure?.(n);
  if (failure === undefined) expect(outcome).toEqual(kind.row(n));
  else expect(outcome).toMatchObject(failure);
}

const OTHERS = `from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
/** What happens beside them, in turn. */
const DISTURBANCES: ReadonlyArray<(round: number) => Promise<unknown>> = [
  (round) => database.sql(`alter table entry add column c${round} int default ${round}`),
  () => Promise.resolve(),
  (round) => database.sql(`alter table entry drop column c${round - 2}`),
  () => app.db.session((session) => session.query('discard all')),
  () => database.sql(`select pg_terminate_backend(pid) ${OTHERS}`),
  () => app.db.session((session) => session.query('deallocate all')),
];

describe('reads in batches', () => {
  it('are each told their own, whatever happens around them', async () => {
    const random = randomOf(1);
    let told = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const callers = Array.from({ length: CALLERS }, async () => {
        for (let time = 0; time < 3; time++) await read(random);
        told++;
      });
      // A session may be given a connection that was ended just now.
      const disturbed = DISTURBANCES[round % DISTURBANCES.length]?.(round).catch(() => undefined);
      await Promise.all([...callers, disturbed]);
    }
    expect(told).toBe(ROUNDS * CALLERS);
    await waitFor(() => app.pools.stats()[0]?.leased === 0, { describe: 'the pool to rest' });
    expect(lane()).toMatchObject({ inFlight: 0, waiting: 0 });
  }, 60_000);
});
