import { expect, it } from '@jest/globals';
import { measureCalls, within } from './measure.js';

const never = new AbortController().signal;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('counts calls, of as many callers at a time as asked for', async () => {
  let [atATime, most, calls] = [0, 0, 0];
  const seen = new Set<number>();
  const call = async (n: number): Promise<void> => {
    seen.add(n);
    calls++;
    most = Math.max(most, ++atATime);
    await nextTurn();
    atATime--;
  };
  const sample = await measureCalls(call, { seconds: 0.05, callers: 7, signal: never });
  expect(most).toBe(7);
  // Nobody's `n` is that of another call.
  expect(seen.size).toBe(calls);
  expect(sample.opsPerS).toBeGreaterThan(calls / 1);
  expect(sample.opsPerS).toBeLessThanOrEqual(calls / 0.05);
  expect(sample.p99Ms).toBeGreaterThanOrEqual(sample.p50Ms);
  expect(sample.cpuUs).toBeGreaterThan(0);
});

it('fails with the first call that fails, when all callers have ended', async () => {
  let open = 0;
  const call = async (n: number): Promise<void> => {
    open++;
    await nextTurn();
    open--;
    if (n === 20) throw new Error('call 20');
  };
  const work = measureCalls(call, { seconds: 60, callers: 4, signal: never });
  await expect(work).rejects.toThrow('call 20');
  expect(open).toBe(0);
});

it('ends when the run does, though a call is never answered', async () => {
  const run = new AbortController();
  const work = measureCalls(() => new Promise(() => undefined), {
    ...{ seconds: 60, callers: 2, signal: run.signal },
  });
  run.abort(new Error('stopped'));
  await expect(work).rejects.toThrow('stopped');
});

it('says what took too long', async () => {
  const pending = new Promise(() => undefined);
  await expect(within(pending, 5, 'the close')).rejects.toThrow(
    'the close was not done after 0.005 s',
  );
});
