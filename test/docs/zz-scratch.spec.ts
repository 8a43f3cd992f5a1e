import { it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, EntitySchema } from 'typeorm';
import { DatabaseModule, DatabaseService } from 'nestjs-database';
import { startDatabaseApp } from '../support/database-app.js';
import { startCluster, waitFor, useTestDatabase } from '../support/postgres.js';
import { EVENT_LINES } from '../../libs/database/src/telemetry/event-lines.js';
import { setTimeout as sleep } from 'node:timers/promises';
const database = useTestDatabase('scratch');
const out = (...a: unknown[]) => process.stderr.write(a.map(x => typeof x === 'string' ? x : JSON.stringify(x)).join(' ') + '\n');
const name = (e: any) => `${e?.name} ${e?.code} ${String(e?.message).slice(0, 160)}`;

it('leak', async () => {
  const app = await startDatabaseApp({ url: database.url, pool: { leakDetectionMs: 100 } });
  const leaked = app.record('lease:leaked');
  await app.db.transaction(async (tx) => { await tx.query('select 1'); await waitFor(() => leaked.length > 0, { describe: 'x' }); });
  out('LEAK', EVENT_LINES['lease:leaked']!(leaked[0]!)!.text);
  await app.close();
});
it('hooks', async () => {
  const app = await startDatabaseApp({ url: database.url, pool: { max: 1, min: 1, acquireTimeoutMs: 300 } });
  const failed = app.record('transaction:hook-failed');
  await app.db.transaction(async (tx) => { tx.afterCommit(async () => { await app.db.query('select 1'); }); });
  out('HOOK failed:', String((failed[0]?.error as any)?.message));
  await app.close();
});
it('stream', async () => {
  const app = await startDatabaseApp({ url: database.url, pool: { max: 4, statementTimeoutMs: 200 } });
  try { for await (const r of app.db.stream('select pg_sleep(0.1) from generate_series(1,10)', [], { batchSize: 5 })) { void r; } } catch (e) { out('STREAM', name(e)); }
  await app.db.session(async (s) => { await s.query('create temp table tt (n int)'); await s.query('insert into tt values (1)');
    try { for await (const r of app.db.stream('select * from tt')) out('STREAM in session', r); } catch (e) { out('STREAM in session', name(e)); } });
  await app.close();
});
it('typeorm', async () => {
  const app = await Test.createTestingModule({ imports: [DatabaseModule.forRoot({ url: database.url, typeorm: {} })] }).compile();
  await app.init();
  const db = app.get(DatabaseService); const ds = app.get(DataSource);
  let runs = 0;
  await db.transaction(async (tx) => { runs++; if (runs === 1) { await database.sql('select pg_terminate_backend($1)', [tx.backendPid]); } await ds.query('select 1'); }).catch((e) => out('TYPEORM lost', name(e)));
  out('TYPEORM lost runs', runs);
  await ds.transaction(async (m) => { const [a] = await m.query('select pg_backend_pid() as p'); const b = await db.one('select pg_backend_pid() as p'); out('TYPEORM own tx', a, b); });
  await ds.query('select 1/0').catch((e) => out('TYPEORM error', name(e), e.constructor.name, e.driverError?.name));
  await app.close();
  const M = class Bad1700000000001 { name = 'Bad1700000000001'; async up(r: any) { await r.query('selec'); } async down() {} };
  await Test.createTestingModule({ imports: [DatabaseModule.forRoot({ url: database.url, typeorm: { migrations: [M], migrationsRun: true } })] }).compile().then(() => out('started?'), (e) => out('MIGRATION', name(e), e.constructor.name));
});
it('failover url+replicas', async () => {
  const cluster = await startCluster({ replicas: 1 });
  const app = await startDatabaseApp({ url: cluster.primary.url(), replicas: [cluster.replicas[0]!.url()] });
  await waitFor(() => app.pools.nodes()[1]?.isReachable, { describe: 'r' });
  await app.db.query('create table t (n int)');
  await cluster.primary.kill9(); await cluster.replicas[0]!.promote();
  const t = performance.now(); let ok: number | undefined;
  while (performance.now() - t < 8000) { try { await app.db.query('insert into t values (1)'); ok = performance.now() - t; break; } catch { await sleep(50); } }
  out('FAILOVER', ok ?? 'NOT', app.pools.nodes().map(n => [n.name, n.role, n.isReachable]), await app.db.read('select 1 as one'));
  await app.close(); await cluster.stop();
}, 60000);
it('never ending + two primaries', async () => {
  await startDatabaseApp({ hosts: [{ url: database.url, role: 'primary' }, { url: database.url, role: 'primary' }] }).then(async (a) => { out('TWO', a.pools.nodes().map(n => n.name)); await a.close(); }, (e) => out('TWO', name(e)));
  const z = await startDatabaseApp({ url: database.url, pool: { max: 5, min: 1, maxWaiting: 0 } });
  await sleep(300);
  const r = await Promise.allSettled([1,2,3].map(() => z.db.query('select pg_sleep(0.1)')));
  out('MAXWAITING 0', r.map(x => x.status), z.pools.stats()[0]!.total);
  await z.close();
});
