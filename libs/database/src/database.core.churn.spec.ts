// A day of churn in fake time: connections come, age, fail and go, and at its end everything is as flat as after its
// first hour.
import { expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DatabaseCore } from './database.core.js';
import { resolveOptions } from './database.options.js';
import { QueryError } from './kernel/query-errors.js';
import { FakeClock } from './testing/fake-clock.js';
import { FakeDriver } from './testing/fake-driver.js';
import { answerProbe } from './testing/fake-probe.js';

const HOUR_MS = 3_600_000;
const STEP_MS = 20_000;
const MAX = 8;

/** Deterministic pseudo-random numbers in [0, 1). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

it('a day of churn leaves timers, connections, listeners and memory flat', async () => {
  const random = randoms(7);
  const clock = new FakeClock();
  const driver = new FakeDriver(clock);
  const refused = new QueryError('no', { sqlState: '23505' });
  driver.script = (statement, asked) => {
    const { text } = statement;
    const probed = answerProbe(statement, asked);
    if (probed !== undefined) return probed;
    if (text.startsWith('insert') && random() < 0.2) return { error: refused };
    if (text === 'hang') return { hangs: true };
    return { afterMs: random() * 20 };
  };
  const core = new DatabaseCore(
    resolveOptions({
      url: 'postgresql://db/d',
      pool: { max: MAX, min: 2, maxLifetimeMs: 600_000, statementTimeoutMs: 500 },
      routing: { probeIntervalMs: 10_000 },
      telemetry: { log: false },
    }),
    { driver, clock },
  );
  await core.start();

  const outcomes = { answered: 0, failed: 0 };
  const call = async (work: Promise<unknown>): Promise<void> => {
    await work.then(
      () => outcomes.answered++,
      () => outcomes.failed++,
    );
  };
  const step = async (): Promise<void> => {
    const calls: Array<Promise<void>> = [];
    for (let n = Math.floor(random() * 2 * MAX); n >= 0; n--) {
      const dice = random();
      if (dice < 0.4) calls.push(call(core.desk.sendAlone({ text: 'select' })));
      else if (dice < 0.6) calls.push(call(core.desk.sendAlone({ text: 'insert' })));
      else if (dice < 0.62) calls.push(call(core.desk.sendAlone({ text: 'hang' })));
      else calls.push(call(core.runner.run((tx) => tx.query('insert'))));
    }
    // Now and then the server cuts a connection.
    if (random() < 0.05) driver.open[0]?.lose('cut');
    await clock.elapseMs(STEP_MS);
    await Promise.all(calls);
  };
  const figures: Array<{ timers: number; open: number; heap: number; listeners: number }> = [];
  for (let hour = 0; hour < 24; hour++) {
    for (let ms = 0; ms < HOUR_MS; ms += STEP_MS) await step();
    // What the fake remembers is no leak of the library's.
    driver.connections.splice(0, Infinity, ...driver.open);
    for (const { statements } of driver.open) statements.splice(0);
    figures.push({
      timers: clock.pendingTimers,
      open: driver.open.length,
      // Twice only: in a process that has run other suites a collection takes a second.
      heap: hour === 11 || hour === 23 ? heapBytes() : 0,
      listeners: process.listenerCount('exit'),
    });
    expect(core.pools()[0]).toMatchObject({ leased: 0, waiting: 0, connecting: 0 });
  }

  const [first, ...later] = figures;
  if (first === undefined) throw new Error('No hour has passed.');
  for (const figure of later) {
    // The ticks of probe and pool, and a pause of the connector.
    expect(figure.timers).toBeLessThanOrEqual(first.timers + 1);
    expect(figure.open).toBeLessThanOrEqual(MAX + 1);
    expect(figure.listeners).toBe(first.listeners);
  }
  expect(outcomes.answered).toBeGreaterThan(20_000);
  expect(outcomes.failed).toBeGreaterThan(1_000);
  // The history of the monitor is filled within the first hours; beyond that nothing may grow.
  const [middle, end] = [figures[11]?.heap ?? 0, figures[23]?.heap ?? Infinity];
  expect(end - middle).toBeLessThan(2_000_000);
  const closing = core.close();
  await clock.elapseMs(60_000);
  await closing;
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
}, 120_000);
