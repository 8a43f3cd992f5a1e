// Read-your-writes over two processes, which two instances stand for: a token of one makes the reads of the other fresh.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConnectionError, UsageError } from 'nestjs-database';
import type { DatabaseModuleOptions } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { sql, useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('consistency');
/** Writes, each of which is read twice. */
const ROUNDS = 200;

const toPrimary = { current: undefined as FaultProxy | undefined };
let toReplica: FaultProxy;
let apps: DatabaseApp[] = [];

beforeAll(async () => {
  toPrimary.current = await startFaultProxy({ targetPort: Number(new URL(database.url).port) });
  toReplica = await startFaultProxy({ targetPort: Number(new URL(database.replicaUrl).port) });
  await database.sql('create table counter (id int primary key, n int not null)');
  await database.sql('insert into counter values (1, 0)');
  await database.replicaCaughtUp();
});
afterAll(() => Promise.all([toPrimary.current?.stop(), toReplica.stop()]));
afterEach(async () => {
  await Promise.all(apps.map((app) => app.close()));
  apps = [];
  await toReplica.setMode('pass');
  await toPrimary.current?.setMode('pass');
});
useLeakCheck({ database });

async function start(options: DatabaseModuleOptions = {}): Promise<DatabaseApp> {
  const app = await startDatabaseApp({
    url: toPrimary.current?.url(database.url),
    replicas: [toReplica.url(database.replicaUrl)],
    pool: { max: 4, min: 1 },
    ...options,
    routing: { probeIntervalMs: 100, ...options.routing },
  });
  apps.push(app);
  await waitFor(() => app.pools.nodes().every(({ isReachable }) => isReachable), {
    describe: 'both servers to be seen',
  });
  return app;
}

const increment = ({ db }: DatabaseApp): Promise<unknown> =>
  db.query('update counter set n = n + 1 where id = 1');
const ASK = 'select n, pg_is_in_recovery() as "fromReplica" from counter where id = 1';
interface Seen extends Record<string, unknown> {
  readonly n: number;
  readonly fromReplica: boolean;
}

/** How often a primary was asked where it stands, probes aside. */
async function questions(): Promise<number> {
  const [asked] = await database.sql<{ calls: number }>(
    `select coalesce(sum(calls), 0)::int as calls from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where datname = current_database() and query like '%pg_current_wal_insert_lsn%'
       and query not like '%system_identifier%' and query not like '%pg_stat_statements%'`,
  );
  return asked?.calls ?? 0;
}

/** Runs `work` while the replica replays nothing. */
async function withoutReplay<T>(work: () => Promise<T>): Promise<T> {
  await sql(database.replicaUrl, 'select pg_wal_replay_pause()');
  const isPaused = "select pg_get_wal_replay_pause_state() = 'paused' as it";
  await waitFor(async () => (await sql<{ it: boolean }>(database.replicaUrl, isPaused))[0]?.it, {
    describe: 'the replay to pause',
  });
  try {
    return await work();
  } finally {
    await sql(database.replicaUrl, 'select pg_wal_replay_resume()');
  }
}

describe('a session read', () => {
  it('is never stale, in the process that wrote and in another one', async () => {
    const [writer, reader] = [await start(), await start()];
    const [{ n: before }] = (await database.sql<Seen>(ASK)) as [Seen];
    let stale = 0;
    let fromReplica = 0;
    for (let i = 1; i <= ROUNDS; i++) {
      await increment(writer);
      const after = writer.db.consistencyToken();
      const here = await writer.db.one<Seen>(ASK, [], { consistency: 'session' });
      const there = await reader.db.one<Seen>(ASK, [], { consistency: 'session', after });
      for (const seen of [here, there]) {
        if (seen.n < before + i) stale++;
        if (seen.fromReplica) fromReplica++;
      }
    }
    expect(stale).toBe(0);
    // Most of them, unless the machine is very busy: what is tested is that not all went to the primary.
    expect(fromReplica).toBeGreaterThan(ROUNDS / 4);
  }, 120_000);

  it('sees many writers at once, and one question where the primary stands serves many of them', async () => {
    const app = await start();
    const before = await questions();
    const writers = Array.from({ length: 64 }, async () => {
      await increment(app);
      return app.db.one<Seen>(ASK, [], { consistency: 'session' });
    });
    await Promise.all(writers);
    expect((await questions()) - before).toBeLessThan(64);
    expect(await questions()).toBeGreaterThan(before);
    const last = await app.db.one<Seen>(ASK, [], { consistency: 'session' });
    expect((await database.sql<Seen>(ASK))[0]?.n).toBe(last.n);
  });

  it.each([
    ['a transaction', (app: DatabaseApp) => app.db.transaction(() => increment(app))],
    ['a session', (app: DatabaseApp) => app.db.session(() => increment(app))],
    [
      'an asynchronous commit',
      (app: DatabaseApp) =>
        app.db.transaction(async (tx) => {
          await tx.query('set local synchronous_commit = off');
          await increment(app);
        }),
    ],
    [
      'a client of pgPool()',
      async (app: DatabaseApp) => {
        const client = await app.pools.pgPool().connect();
        await client.query('begin');
        await client.query('update counter set n = n + 1 where id = 1');
        await client.query('commit');
        client.release();
      },
    ],
  ])('sees what %s has written, while nothing is replayed', async (_, write) => {
    const app = await start();
    await withoutReplay(async () => {
      await write(app);
      const [latest] = await database.sql<Seen>(ASK);
      const seen = await app.db.one<Seen>(ASK, [], { consistency: 'session' });
      expect(seen).toEqual({ n: latest?.n, fromReplica: false });
      expect(await app.db.one<Seen>(ASK)).toMatchObject({ fromReplica: true });
    });
  });

  it('works in read-only transactions and streams', async () => {
    const app = await start();
    const options = { readOnly: true, consistency: 'session' } as const;
    const streamed = async (): Promise<Seen | undefined> => {
      for await (const row of app.db.stream<Seen>(ASK, [], { consistency: 'session' })) return row;
      return undefined;
    };
    await withoutReplay(async () => {
      await increment(app);
      expect(await app.db.transaction(() => app.db.one<Seen>(ASK), options)).toMatchObject({
        fromReplica: false,
      });
      expect(await streamed()).toMatchObject({ fromReplica: false });
    });
    await database.replicaCaughtUp();
    await waitFor(
      async () => (await app.db.transaction(() => app.db.one<Seen>(ASK), options)).fromReplica,
      { describe: 'a transaction on the replica' },
    );
    expect(await streamed()).toMatchObject({ fromReplica: true });
  });

  it('of another context need not see it, and may ask the replica', async () => {
    const app = await start();
    await withoutReplay(async () => {
      const token = await app.db.withConsistency(undefined, async () => {
        await increment(app);
        return app.db.consistencyToken();
      });
      const ask = (): Promise<Seen> => app.db.one<Seen>(ASK, [], { consistency: 'session' });
      expect(await app.db.withConsistency(undefined, ask)).toMatchObject({ fromReplica: true });
      expect(await app.db.withConsistency(token, ask)).toMatchObject({ fromReplica: false });
    });
  });

  it('waits for the replica as long as it is told', async () => {
    const app = await start({ routing: { sessionWaitMs: 60_000 } });
    let isReplaying = false;
    const reading = withoutReplay(async () => {
      await increment(app);
      const answer = app.db.one<Seen>(ASK, [], { consistency: 'session' });
      void answer.then(() => (isReplaying = true));
      await app.db.query('select pg_sleep(0.2)');
      expect(isReplaying).toBe(false);
      return { answer };
    });
    expect(await (await reading).answer).toMatchObject({ fromReplica: true });
  });

  it('goes to the primary when the replica is lost while it is waited for', async () => {
    const app = await start({ routing: { sessionWaitMs: 60_000 } });
    await withoutReplay(async () => {
      await increment(app);
      const reading = app.db.one<Seen>(ASK, [], { consistency: 'session' });
      await app.db.query('select pg_sleep(0.1)');
      await toReplica.setMode('refuse');
      toReplica.killAll();
      expect(await reading).toMatchObject({ fromReplica: false });
    });
  });
});

describe('a write whose position cannot be learnt', () => {
  it('succeeds, and session reads ask the primary', async () => {
    // A probe so rare that only the question after the write uses its connection.
    const app = await start({ routing: { probeIntervalMs: 60_000, probeTimeoutMs: 200 } });
    const { db } = app;
    await withoutReplay(async () => {
      const [{ pid }] = (await database.sql<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database()
           and query like '%system_identifier%' and pid <> pg_backend_pid()`,
      )) as [{ pid: number }];
      await db.query(
        // The probe's connection dies between the statement and the question where it stands.
        `with dead as (select pg_terminate_backend($1)) update counter set n = n + 1 from dead where id = 1`,
        [pid],
      );
      await db.query('select 1');
      expect(await db.one<Seen>(ASK, [], { consistency: 'session' })).toMatchObject({
        fromReplica: false,
      });
    });
  });
});

describe('a token', () => {
  it('that is none, of another cluster, or given to an eventual read is refused', async () => {
    const { db } = await start();
    const other = `w1.${'1'.padStart(16, '0')}.00000001.${'5'.padStart(16, '0')}`;
    const refused = (after: string, consistency?: 'eventual'): Promise<UsageError> =>
      failure(db.read(ASK, [], { after, consistency }), UsageError);
    expect((await refused('garbage')).message).toMatch(/is no consistency token/);
    expect((await refused('w1.00')).message).toMatch(/whole, or leave it out/);
    expect((await refused(other)).message).toMatch(/another database cluster/);
    expect((await refused(db.consistencyToken(), 'eventual')).message).toMatch(/Leave consistency/);
    expect(() => db.withConsistency('garbage', () => 1)).toThrow(UsageError);
  });

  it('of the future, of another timeline, or of an unknown place is answered by the primary', async () => {
    const app = await start();
    await increment(app);
    const token = app.db.consistencyToken();
    const future = token.slice(0, -16) + 'f'.repeat(15) + '0';
    const otherTimeline = token.replace(/^(w1\.\w{16}\.)\w{8}/, '$100000009');
    for (const after of [future, otherTimeline, 'w1.primary']) {
      expect(await app.db.one<Seen>(ASK, [], { after })).toMatchObject({ fromReplica: false });
    }
    expect(
      await app.db.one<Seen>(ASK, [], { after: 'w1.none', consistency: 'session' }),
    ).toBeDefined();
  });

  it('of an instance with one server means the primary', async () => {
    const alone = await startDatabaseApp({ url: database.url, pool: { max: 2, min: 1 } });
    apps.push(alone);
    const app = await start();
    await increment(alone);
    const after = alone.db.consistencyToken();
    expect(await app.db.one<Seen>(ASK, [], { after })).toMatchObject({ fromReplica: false });
  });

  it('is not to be had when writes are not tracked', async () => {
    const { db } = await start({ routing: { trackWrites: false } });
    expect(() => db.consistencyToken()).toThrow(/Leave that option out/);
  });
});

it('a write whose answer is lost may have happened: session reads see it', async () => {
  const app = await start();
  await withoutReplay(async () => {
    const [{ n }] = (await database.sql<Seen>(ASK)) as [Seen];
    await toPrimary.current?.setMode('drop-responses');
    const lost = failure(increment(app), ConnectionError);
    await waitFor(async () => (await database.sql<Seen>(ASK))[0]?.n === n + 1, {
      describe: 'the write to happen',
    });
    toPrimary.current?.killAll();
    await toPrimary.current?.setMode('pass');
    await lost;
    expect(await app.db.one<Seen>(ASK, [], { consistency: 'session' })).toEqual({
      n: n + 1,
      fromReplica: false,
    });
  });
});
