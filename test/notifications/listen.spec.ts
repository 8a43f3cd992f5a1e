// LISTEN on real servers: what is sent arrives, what cannot arrive is told, and nothing is left behind.
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConnectionError, ShutdownError } from 'nestjs-database';
import type { DatabaseNotification, NotificationGap, Subscription } from 'nestjs-database';
import { startDatabaseApp, useDatabaseApp } from '../support/database-app.js';
import type { DatabaseApp } from '../support/database-app.js';
import { failure } from '../support/failure.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { useLeakCheck } from '../support/leak-check.js';
import { startCluster, useTestDatabase, waitFor } from '../support/postgres.js';

const database = useTestDatabase('listen');
const app = useDatabaseApp(() => ({ url: database.url, pool: { max: 2, min: 1 } }));
const subscriptions: Subscription[] = [];

afterEach(async () => {
  await Promise.all(subscriptions.splice(0).map((subscription) => subscription.close()));
});
useLeakCheck({ database, pools: () => app.pools.stats() });

const notify = (channel: string, payload: string): Promise<unknown> =>
  database.sql('select pg_notify($1, $2)', [channel, payload]);

/** Payloads as they come, and gaps between them. */
async function collect(channel: string, from: DatabaseApp = app) {
  const seen: string[] = [];
  const gaps: NotificationGap[] = [];
  const subscription = await from.db.listen(channel, ({ payload }) => void seen.push(payload), {
    onGap: (gap) => {
      gaps.push(gap);
      seen.push('gap');
    },
  });
  subscriptions.push(subscription);
  const arrives = (payload: string): Promise<unknown> =>
    waitFor(() => seen.includes(payload), { describe: `${payload} on ${channel}` });
  return { seen, gaps, subscription, arrives };
}

async function fetchLines(): Promise<number[]> {
  const rows = await database.sql<{ pid: number }>(
    `select pid from pg_stat_activity where query like 'LISTEN%' or query = 'SELECT pg_backend_pid() AS pid'`,
  );
  return rows.map(({ pid }) => pid);
}

describe('a subscription', () => {
  it('gets what is committed from its acknowledgement on, with channel, payload and sender', async () => {
    const all: DatabaseNotification[] = [];
    subscriptions.push(await app.db.listen('orders', (one) => void all.push(one)));
    await app.db.transaction(async (tx) => {
      await tx.query(`notify orders, 'first'`);
      await tx.query('notify orders');
    });
    await expect(
      app.db.transaction(async (tx) => {
        await tx.query(`notify orders, 'rolled back'`);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await notify('orders', 'last');
    await waitFor(() => all.length === 3, { describe: 'three notifications' });
    expect(all.map(({ payload }) => payload)).toEqual(['first', '', 'last']);
    expect(all[0]?.channel).toBe('orders');
    expect(all[0]?.backendPid).toBeGreaterThan(0);
  });

  it.each(['Mixed Case', 'quo"te; drop', 'ünï', 'x'.repeat(63), 'select'])(
    'takes the channel %p as it is',
    async (channel) => {
      const { arrives } = await collect(channel);
      await notify(channel, 'here');
      await arrives('here');
    },
  );

  it('shares one connection, which is no one of the pool, and gives it back', async () => {
    const before = (await fetchLines()).length;
    const one = await collect('a');
    const two = await collect('b');
    const again = await collect('a');
    expect(await fetchLines()).toHaveLength(before + 1);
    await notify('a', '1');
    await Promise.all([one.arrives('1'), again.arrives('1')]);
    expect(two.seen).toEqual([]);
    await one.subscription.close();
    await notify('a', '2');
    await again.arrives('2');
    expect(one.seen).toEqual(['1']);
    await Promise.all([two.subscription.close(), again.subscription.close()]);
    await waitFor(async () => (await fetchLines()).length === before, {
      describe: 'the line to end',
    });
  });

  it('takes many at once, in order', async () => {
    const { seen, arrives } = await collect('burst');
    await database.sql(`select pg_notify('burst', i::text) from generate_series(1, 5000) i`);
    await arrives('5000');
    expect(seen).toEqual(Array.from({ length: 5_000 }, (_, i) => String(i + 1)));
  });

  it('has handlers outside of the transaction, and inside the context, it was made in', async () => {
    const context = new AsyncLocalStorage<string>();
    let inside: string | undefined;
    let asked: unknown;
    await context.run('request 7', () =>
      app.db.transaction(async () => {
        const handler = async (): Promise<void> => {
          inside = context.getStore();
          asked = await app.db.read('select 1 as one');
        };
        subscriptions.push(await app.db.listen('context', handler));
      }),
    );
    await notify('context', '');
    await waitFor(() => asked, { describe: 'the handler' });
    expect([inside, asked]).toEqual(['request 7', [{ one: 1 }]]);
  });

  it('survives the end of its backend, and tells the gap', async () => {
    const { seen, gaps, arrives, subscription } = await collect('killed');
    await notify('killed', 'before');
    await arrives('before');
    const told = app.record('notifications:restored');
    const killedAtMs = Date.now();
    for (const pid of await fetchLines())
      await database.sql('select pg_terminate_backend($1)', [pid]);
    await waitFor(() => gaps.length === 1, { describe: 'the gap' });
    await notify('killed', 'after');
    await arrives('after');
    expect(seen).toEqual(['before', 'gap', 'after']);
    expect(subscription.isListening).toBe(true);
    expect(gaps[0]?.fromMs).toBeLessThanOrEqual(killedAtMs);
    expect(gaps[0]?.toMs).toBeGreaterThanOrEqual(killedAtMs);
    expect(told).toHaveLength(1);
  });
});

describe('a line through a network that fails', () => {
  let proxy: FaultProxy;
  let far: DatabaseApp;

  beforeAll(async () => {
    const { port } = new URL(database.url);
    proxy = await startFaultProxy({ targetPort: Number(port) });
    // The line alone goes through the proxy: what is seen is its own care for itself.
    far = await startDatabaseApp({
      url: database.url,
      pool: { max: 1, min: 0, connectTimeoutMs: 500 },
      listen: { url: proxy.url(database.url) },
    });
  });
  afterAll(async () => {
    await far.close();
    await proxy.stop();
  });

  it('notices a black hole within 5 s, and reports all of it', async () => {
    const { seen, gaps, arrives, subscription } = await collect('hole', far);
    await notify('hole', 'before');
    await arrives('before');
    const startedAtMs = Date.now();
    const startedAt = performance.now();
    await proxy.setMode('blackhole');
    await waitFor(() => !subscription.isListening, { describe: 'the loss to be noticed' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await notify('hole', 'lost');
    await proxy.setMode('pass');
    proxy.killAll();
    await waitFor(() => gaps.length === 1, { describe: 'the gap' });
    await notify('hole', 'after');
    await arrives('after');
    expect(seen).toEqual(['before', 'gap', 'after']);
    expect(gaps[0]?.fromMs).toBeLessThanOrEqual(startedAtMs);
  });

  it('that cannot be opened is given up in time, with the reason, and can be asked for again', async () => {
    await proxy.setMode('refuse');
    const error = await failure(
      far.db.listen('none', () => undefined, { timeoutMs: 400 }),
      ConnectionError,
    );
    expect(error.message).toMatch(/not acknowledged within 400 ms.*ECONNREFUSED/);
    await proxy.setMode('pass');
    const { arrives } = await collect('none', far);
    await notify('none', 'here');
    await arrives('here');
  });
});

describe('the primary', () => {
  it('is followed after a failover', async () => {
    const cluster = await startCluster({ replicas: 1 });
    const [replica] = cluster.replicas;
    const urls = cluster.nodes.map((node) => ({ url: node.url() }));
    const shop = await startDatabaseApp({
      hosts: urls,
      pool: { max: 2, min: 0 },
      routing: { probeIntervalMs: 200 },
    });
    try {
      const { gaps, seen, arrives, subscription } = await collect('moved', shop);
      await cluster.primary.sql(`notify moved, 'old'`);
      await arrives('old');
      await cluster.primary.kill9();
      await replica?.promote();
      await waitFor(() => gaps.length === 1, { describe: 'the gap' });
      await replica?.sql(`notify moved, 'new'`);
      await arrives('new');
      expect(seen).toEqual(['old', 'gap', 'new']);
      await subscription.close();
    } finally {
      await shop.close();
      await cluster.stop();
    }
  });
});

describe('the end of the application', () => {
  it('ends the line, and lets a handler under way finish its work', async () => {
    const own = await startDatabaseApp({ url: database.url, pool: { max: 2, min: 0 } });
    let answer: unknown;
    let begun = false;
    await own.db.listen('end', async () => {
      begun = true;
      await own.db.query('select pg_sleep(0.3)');
      answer = await own.db.read('select 2 as two');
    });
    await notify('end', '');
    await waitFor(() => begun, { describe: 'the handler to begin' });
    await own.close();
    expect(answer).toEqual([{ two: 2 }]);
    await failure(
      own.db.listen('end', () => undefined),
      ShutdownError,
    );
  });

  it('does not wait for a server that is gone', async () => {
    const { port } = new URL(database.url);
    const proxy = await startFaultProxy({ targetPort: Number(port) });
    const own = await startDatabaseApp({ url: proxy.url(database.url), pool: { max: 1, min: 0 } });
    await own.db.listen('gone', () => undefined);
    await proxy.setMode('blackhole');
    const startedAt = performance.now();
    await own.close();
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    await proxy.stop();
  });
});
