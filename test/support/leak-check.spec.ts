// The leak check finds what is left, and nothing else.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it } from '@jest/globals';
import { LeakCheck, useLeakCheck } from './leak-check.js';
import { useTestDatabase } from './postgres.js';

const database = useTestDatabase('leaks');
const patienceMs = 200;

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, application_name: 'leaker' });
  await client.connect();
  return client;
}

describe('the check', () => {
  it('names a session that is left, and its last statement', async () => {
    const check = await LeakCheck.begin({ database, patienceMs });
    const client = await connected();
    await client.query('begin');
    await expect(check.end()).rejects.toThrow(/session \d+ \(leaker, idle in transaction\): begin/);
    await client.end();
    await check.end();
  });

  it('allows the idle connections of a pool, but no lease', async () => {
    const figures = { total: 0, leased: 0, waiting: 0 };
    const check = await LeakCheck.begin({ database, pools: () => [figures], patienceMs });
    const client = await connected();
    figures.total = 1;
    await check.end();
    figures.leased = 1;
    await expect(check.end()).rejects.toThrow('a pool with 1 leased, 0 waiting');
    await client.end();
  });

  it('names timers that are left', async () => {
    const check = await LeakCheck.begin({ patienceMs });
    const timer = setInterval(() => undefined, 60_000);
    await expect(check.end()).rejects.toThrow('1 more Timeout than before');
    clearInterval(timer);
    await check.end();
  });

  it('has patience with what ends by itself', async () => {
    const check = await LeakCheck.begin({ patienceMs: 5_000 });
    const later = sleep(300);
    await check.end();
    await later;
  });
});

describe('a suite that uses it', () => {
  useLeakCheck({ database });

  it('passes when it cleans up', async () => {
    const client = await connected();
    await client.end();
  });
});
