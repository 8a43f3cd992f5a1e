// Repeating work: at once, then in jittered steps, never twice at a time, over when it is stopped.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.js';
import { Ticker } from './ticker.js';

let clock: FakeClock;
let runs: number[];
let failures: unknown[];

beforeEach(() => {
  clock = new FakeClock();
  runs = [];
  failures = [];
});

function ticker(run: () => Promise<void> | void = () => undefined): Ticker {
  return new Ticker({
    clock,
    everyMs: 1_000,
    run: () => {
      runs.push(clock.monotonicMs());
      return run();
    },
    failed: (error) => failures.push(error),
  });
}

describe('Ticker', () => {
  it('runs at once, and then every period, give or take a tenth', async () => {
    const subject = ticker();
    subject.start();
    expect(runs).toEqual([0]);
    await clock.elapseMs(60_000);
    const steps = runs.slice(1).map((atMs, index) => atMs - (runs[index] ?? 0));
    expect(steps.length).toBeGreaterThan(54);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(900);
    expect(Math.max(...steps)).toBeLessThanOrEqual(1_100);
    expect(new Set(steps.map(Math.round)).size).toBeGreaterThan(10);
    await subject.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('does not overlap: a run that takes long delays the next one', async () => {
    let atATime = 0;
    let most = 0;
    const subject = ticker(async () => {
      most = Math.max(most, ++atATime);
      await clock.sleep(5_000);
      atATime--;
    });
    subject.start();
    await clock.elapseMs(30_000);
    expect(most).toBe(1);
    expect(runs.length).toBeLessThanOrEqual(6);
    const stopping = subject.stop();
    await clock.elapseMs(5_000);
    await stopping;
  });

  it('tells what a run throws or rejects with, and goes on', async () => {
    let count = 0;
    const subject = ticker(() => {
      if (++count === 1) throw new Error('thrown');
      if (count === 2) return Promise.reject(new Error('rejected'));
      return undefined;
    });
    subject.start();
    await clock.elapseMs(3_500);
    expect(failures).toEqual([new Error('thrown'), new Error('rejected')]);
    expect(runs.length).toBeGreaterThanOrEqual(3);
    await subject.stop();
  });

  it('waits for the run under way when it stops, and never runs again', async () => {
    let isOver = false;
    const subject = ticker(async () => {
      await clock.sleep(500);
      isOver = true;
    });
    subject.start();
    let isStopped = false;
    const stopping = Promise.all([subject.stop(), subject.stop()]).then(() => (isStopped = true));
    await clock.elapseMs(499);
    expect(isStopped).toBe(false);
    await clock.elapseMs(1);
    await stopping;
    expect(isOver).toBe(true);
    await clock.elapseMs(10_000);
    expect(runs).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('starts once, and again after a stop', async () => {
    const subject = ticker();
    subject.start();
    subject.start();
    expect(runs).toHaveLength(1);
    await subject.stop();
    await clock.elapseMs(5_000);
    expect(runs).toHaveLength(1);
    subject.start();
    await clock.elapseMs(1_200);
    expect(runs).toHaveLength(3);
    await subject.stop();
  });

  it('runs now on demand, joining a run under way, and keeps one timer', async () => {
    const subject = ticker(() => clock.sleep(100));
    subject.start();
    const joined = subject.runNow();
    await clock.elapseMs(100);
    await joined;
    expect(runs).toHaveLength(1);
    const asked = subject.runNow();
    expect(runs).toHaveLength(2);
    await clock.elapseMs(100);
    await asked;
    expect(clock.pendingTimers).toBe(1);
    await subject.stop();
  });

  it('does not run on demand while it is stopped', async () => {
    const subject = ticker();
    await subject.runNow();
    expect(runs).toEqual([]);
    await subject.stop();
  });
});
