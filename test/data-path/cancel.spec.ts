// A cancel hits the statement it is meant for, or nothing: never the next one, never a COMMIT.
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { InDoubtError, QueryAbortedError, QueryTimeoutError, ShutdownError } from 'nestjs-database';
import { startDatabaseApp, useDatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('cancel');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 1, min: 1 } }));
useLeakCheck({ database, pools: () => app.pools.stats() });

beforeAll(() => database.sql('create table entry (id int primary key)'));
beforeEach(() => database.sql('truncate entry'));

describe('the next statement on the connection', () => {
  const LIMIT_MS = 5;

  it('is never hit, 100 times by timeout and 100 times by signal', async () => {
    const pids = new Set<unknown>();
    const ways = [
      { sleepMs: LIMIT_MS, stopped: 0, limits: () => ({ timeoutMs: LIMIT_MS }) },
      {
        sleepMs: LIMIT_MS,
        stopped: 0,
        limits: () => ({ signal: AbortSignal.timeout(LIMIT_MS), timeoutMs: 5_000 }),
      },
    ];
    for (let round = 0; round < 100; round++) {
      for (const way of ways) {
        const isStopped = await app.db
          .query(`select pg_sleep(${way.sleepMs / 1_000})`, [], way.limits())
          .then(
            () => false,
            () => true,
          );
        if (isStopped) way.stopped++;
        // Closes in on the moment at which the request arrives: now before the end, now after it, on any machine.
        way.sleepMs = Math.max(1, way.sleepMs + (isStopped ? -1 : 1));
        pids.add((await app.db.one('select pg_backend_pid() as pid, pg_sleep(0.003)'))['pid']);
      }
    }
    for (const { stopped } of ways) {
      expect(stopped).toBeGreaterThan(25);
      expect(100 - stopped).toBeGreaterThan(25);
    }
    // All on one connection: none was given up to be on the safe side.
    expect(pids.size).toBe(1);
  }, 60_000);
});

describe('a COMMIT', () => {
  it('under way is not cancelled when the time of its transaction is up', async () => {
    const { port } = new URL(database.url);
    const proxy = await startFaultProxy({ targetPort: Number(port) });
    const far = await startDatabaseApp({
      url: proxy.url(database.url),
      pool: { max: 1, min: 0, statementTimeoutMs: 700 },
      // No probe: what the proxy accepts is the pool's.
      routing: { probeIntervalMs: 60_000 },
    });
    try {
      await far.db.query('select 1');
      const signal = new AbortController();
      const accepted = proxy.counters.accepted;
      const committing = far.db.transaction(
        async (tx) => {
          await tx.query('insert into entry values (1)');
          // From here on nothing of the server is heard: COMMIT is sent, and its answer is not.
          await proxy.setMode('drop-responses');
        },
        { timeoutMs: 500, signal: signal.signal, retries: 0 },
      );
      const failing = failure(committing, InDoubtError);
      await waitFor(async () => (await database.sql('select from entry')).length === 1, {
        describe: 'the commit on the server',
      });
      signal.abort();
      await failing;
      expect(proxy.counters.accepted).toBe(accepted);
    } finally {
      await proxy.setMode('pass');
      proxy.killAll();
      await far.close();
      await proxy.stop();
    }
  });
});

describe('a signal that is aborted already', () => {
  const signal = AbortSignal.abort(new Error('the user left'));
  const nothing = (): Promise<void> => Promise.resolve();
  const first = async (rows: AsyncIterable<unknown>): Promise<void> => {
    for await (const row of rows) expect(row).toBeUndefined();
  };

  it.each<readonly [string, () => Promise<unknown>]>([
    ['query', () => app.db.query('insert into entry values (7)', [], { signal })],
    ['read', () => app.db.read('select 7', [], { signal })],
    ['one', () => app.db.one('select 7', [], { signal })],
    [
      'transaction',
      () => app.db.transaction((tx) => tx.query('insert into entry values (7)'), { signal }),
    ],
    ['session', () => app.db.session((on) => on.query('insert into entry values (7)'), { signal })],
    ['stream', () => first(app.db.stream('select 7', [], { signal }))],
    ['copyFrom', () => app.db.copyFrom('entry', [[7]], { signal })],
    ['copyTo', () => first(app.db.copyTo('copy entry to stdout', { signal }))],
    ['listen', () => app.db.listen('x', nothing, { signal })],
  ])('lets %s send nothing', async (_name, call) => {
    const queries = app.record('query:done');
    const error = await failure(call(), QueryAbortedError);
    expect(error).toMatchObject({ safeToRetry: true, cause: { message: 'the user left' } });
    expect(queries).toEqual([]);
    expect(await database.sql('select from entry')).toEqual([]);
  });
});

describe('a cancel that the server does not hear', () => {
  it('because no line to it can be opened is told too', async () => {
    const { port } = new URL(database.url);
    const proxy = await startFaultProxy({ targetPort: Number(port) });
    const url = proxy.url(database.url);
    const far = await startDatabaseApp({ url, pool: { max: 1, min: 1 } });
    const told = far.record('cancel:failed');
    try {
      const slow = far.db.query('select pg_sleep(3)', [], { timeoutMs: 200 });
      await proxy.setMode('refuse');
      await failure(slow, QueryTimeoutError);
      await waitFor(() => told.length === 1, { describe: 'the event' });
      expect(told[0]).toMatchObject({ text: 'select pg_sleep(3)', because: 'no effect' });
    } finally {
      await proxy.setMode('pass');
      await far.close();
      await proxy.stop();
    }
  });

  it('gives the connection up, nobody waits for it, and it is told', async () => {
    const { port } = new URL(database.url);
    const proxy = await startFaultProxy({ targetPort: Number(port) });
    const url = proxy.url(database.url);
    const far = await startDatabaseApp({ url, pool: { max: 1, min: 1 } });
    const told = far.record('cancel:failed');
    try {
      await far.db.query('select 1');
      const failing = failure(
        far.db.query('select pg_sleep(2)', [], { timeoutMs: 200 }),
        QueryTimeoutError,
      );
      await proxy.setMode('blackhole');
      const startedAt = performance.now();
      await failing;
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await waitFor(() => far.pools.stats()[0]?.leased === 0, {
        describe: 'the connection to be given up',
        timeoutMs: 4_000,
      });
      const facts = { node: 'primary', text: 'select pg_sleep(2)', because: 'not taken up' };
      expect(told).toEqual([{ ...facts, backendPid: expect.any(Number) }]);
    } finally {
      await proxy.setMode('pass');
      proxy.killAll();
      await far.close();
      await proxy.stop();
    }
    await failure(far.db.query('select 1'), ShutdownError);
  });
});
