// The contract of a clock: the fake one and the real one keep the same. The real one is waited for, a few ms.
import { afterEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../testing/fake-clock.js';
import { systemClock } from './clock.js';
import type { Clock } from './clock.js';

const fake = new FakeClock();

const clocks: ReadonlyArray<readonly [string, Clock, (ms: number) => Promise<void>]> = [
  ['the system clock', systemClock, (ms) => systemClock.sleep(ms)],
  ['the fake clock', fake, (ms) => fake.elapseMs(ms)],
];

describe.each(clocks)('%s', (_name, clock, pass) => {
  it('calls once, after the delay', async () => {
    const startedAtMs = clock.monotonicMs();
    const calls: number[] = [];
    clock.schedule(() => calls.push(clock.monotonicMs() - startedAtMs), 3);
    expect(calls).toEqual([]);
    await pass(20);
    expect(calls).toHaveLength(1);
    // Node's timers may fire a fraction of a ms early.
    expect(calls[0]).toBeGreaterThanOrEqual(2);
  });

  it('calls in the order of the due times', async () => {
    const calls: string[] = [];
    clock.schedule(() => calls.push('later'), 9);
    clock.schedule(() => calls.push('sooner'), 1);
    await pass(30);
    expect(calls).toEqual(['sooner', 'later']);
  });

  it('does not call what was cancelled, however often', async () => {
    const calls: string[] = [];
    const timer = clock.schedule(() => calls.push('cancelled'), 1);
    timer.cancel();
    timer.cancel();
    await pass(5);
    expect(calls).toEqual([]);
  });

  it('takes a delay of nothing or less for the next turn', async () => {
    const calls: string[] = [];
    clock.schedule(() => calls.push('zero'), 0);
    clock.schedule(() => calls.push('negative'), -5);
    expect(calls).toEqual([]);
    await pass(5);
    expect(calls).toEqual(['zero', 'negative']);
  });

  it('sleeps', async () => {
    let isAwake = false;
    void clock.sleep(2).then(() => (isAwake = true));
    expect(isAwake).toBe(false);
    await pass(20);
    expect(isAwake).toBe(true);
  });

  it('is woken by a signal, with its reason', async () => {
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });

  it('does not fall asleep under a signal that is aborted already', async () => {
    const reason = new Error('before');
    await expect(clock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('never runs backwards', () => {
    const first = clock.monotonicMs();
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(first);
    expect(clock.nowMs()).toBeGreaterThan(1_600_000_000_000);
  });
});

describe('the system clock', () => {
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

  it('keeps the process only for what somebody awaits', () => {
    const before = timers();
    const background = systemClock.schedule(() => undefined, 60_000);
    expect(timers()).toBe(before);
    const awaited = systemClock.schedule(() => undefined, 60_000, { keepsProcess: true });
    expect(timers()).toBe(before + 1);
    background.cancel();
    awaited.cancel();
    expect(timers()).toBe(before);
  });
});

describe('the fake clock', () => {
  afterEach(() => expect(fake.pendingTimers).toBe(0));

  it('runs what a due call schedules, when it is due within the same stretch', () => {
    const calls: number[] = [];
    const again = (): void => {
      calls.push(fake.monotonicMs());
      if (calls.length < 3) fake.schedule(again, 10);
    };
    const startMs = fake.monotonicMs();
    fake.schedule(again, 10);
    fake.advanceMs(30);
    expect(calls).toEqual([startMs + 10, startMs + 20, startMs + 30]);
  });

  it('keeps the order of calls that are due at the same time', () => {
    const calls: number[] = [];
    for (let i = 0; i < 5; i++) fake.schedule(() => calls.push(i), 10);
    fake.advanceMs(10);
    expect(calls).toEqual([0, 1, 2, 3, 4]);
  });

  it('leaves promises alone when it advances, and lets them settle when it elapses', async () => {
    const seen: string[] = [];
    void fake.sleep(1).then(() => seen.push('awake'));
    fake.advanceMs(1);
    expect(seen).toEqual([]);
    await fake.elapseMs(0);
    expect(seen).toEqual(['awake']);
  });
});
