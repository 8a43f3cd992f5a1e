// A line that goes dead under a query: when is the caller told, and does the end of the pool end?
import { startFaultProxy } from '../../test/support/fault-proxy.js';
import type { FaultProxy } from '../../test/support/fault-proxy.js';
import { openOurs, openPgPool, openPostgresJs } from './scene.js';
import type { Case, Line } from './scene.js';

/** Longer than anybody should wait. */
const PATIENCE_MS = 8_000;
const HANGS = `> ${PATIENCE_MS}`;
const SLEEP = 'select pg_sleep(60)';
const FAST_PROFILE = { probeIntervalMs: 200, probeTimeoutMs: 200 };

/** Time until the promise is settled, in ms; or that it is not. */
async function settledMs(promise: PromiseLike<unknown>): Promise<string> {
  const startedAtMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(HANGS), PATIENCE_MS);
  });
  const settled = Promise.resolve(promise).then(
    () => (performance.now() - startedAtMs).toFixed(0),
    () => (performance.now() - startedAtMs).toFixed(0),
  );
  const answer = await Promise.race([settled, patience]);
  clearTimeout(timer);
  return answer;
}

async function trial(
  who: Line['who'],
  proxy: FaultProxy,
  query: (text: string) => PromiseLike<unknown>,
  close: () => PromiseLike<unknown>,
): Promise<Line> {
  await query('select 1');
  const running = Promise.resolve(query(SLEEP));
  running.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await proxy.setMode('blackhole');
  const toldMs = await settledMs(running);
  const closedMs = await settledMs(close());
  proxy.killAll();
  await proxy.setMode('pass');
  return { who, figures: { toldMs, closedMs } };
}

export const deadLine: Case = {
  name: 'dead line: a black hole under a query of 60 s',
  async run({ primary }) {
    const proxy = await startFaultProxy({ targetPort: primary.port });
    const url = proxy.url(primary.url());
    const lines: Line[] = [];
    for (const routing of [{}, FAST_PROFILE]) {
      const pool = { max: 2, min: 1, statementTimeoutMs: 120_000, closeTimeoutMs: 500 };
      const { db, core } = await openOurs({ url, pool, routing });
      const line = await trial(
        'nestjs-database',
        proxy,
        (t) => db.query(t),
        () => core.close(),
      );
      const profile = routing === FAST_PROFILE ? 'fast probes' : 'default';
      lines.push({ ...line, figures: { profile, ...line.figures } });
    }
    const pool = openPgPool(url, 2);
    lines.push(
      await trial(
        'pg.Pool',
        proxy,
        (t) => pool.query(t),
        () => pool.end(),
      ),
    );
    const sql = openPostgresJs(url, 2);
    lines.push(
      await trial(
        'postgres.js',
        proxy,
        (t) => sql.unsafe(t),
        () => sql.end(),
      ),
    );
    await proxy.stop();
    // Their backends have not heard of the end of their clients.
    await primary.sql(`select pg_terminate_backend(pid) from pg_stat_activity where query = $1`, [
      SLEEP,
    ]);
    return lines;
  },
};
