// The first connection: how long the application waits, and when waiting cannot help.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { STARTUP_DEFAULTS, waitForPrimary } from './database.startup.js';
import type { StartupOptions } from './database.startup.js';
import { ConnectionError } from './kernel/errors.js';
import type { Topology } from './routing/topology.js';
import { FakeClock } from './testing/fake-clock.js';
import { refusedConnection } from './testing/fake-driver.js';

let clock: FakeClock;
/** When the nodes were asked, in ms. */
let asked: number[];
let isReachable: boolean;
let lastFailure: Error | undefined;
let stopping: AbortController;

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  isReachable = false;
  lastFailure = refusedConnection();
  stopping = new AbortController();
});

const topology = {
  describe: () => 'a: replica',
  refreshUntil: async () => void asked.push(clock.monotonicMs()),
  reachablePrimary: () => (isReachable ? {} : undefined),
  lastFailure: () => lastFailure,
} as unknown as Topology;

/** What comes of waiting for `ms`. */
async function wait(ms: number, startup: Partial<StartupOptions> = {}): Promise<unknown> {
  let outcome: unknown = 'pending';
  const options = { ...STARTUP_DEFAULTS, ...startup };
  void waitForPrimary(topology, options, clock, stopping.signal).then(
    () => (outcome = 'there'),
    (error: unknown) => (outcome = error),
  );
  await clock.elapseMs(ms);
  expect(outcome === 'pending' || clock.pendingTimers === 0).toBe(true);
  return outcome;
}

describe('waiting for the primary', () => {
  it('is over at once when it is there', async () => {
    isReachable = true;
    expect(await wait(0)).toBe('there');
    expect(asked).toEqual([0]);
  });

  it('asks again after 1, 2, 4 and 8 s, and then gives up with cause and mend', async () => {
    const error = (await wait(20_000)) as ConnectionError;
    expect(asked).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ cause: lastFailure, transient: true, safeToRetry: true });
    expect(error.message).toMatch(/in 5 attempts: .*ECONNREFUSED.*startup\.waitForDatabase/);
  });

  it('is over as soon as it appears', async () => {
    clock.schedule(() => (isReachable = true), 2_500);
    expect(await wait(10_000)).toBe('there');
    expect(asked).toEqual([0, 1_000, 3_000]);
  });

  it('waits no longer than maxDelayMs between two attempts', async () => {
    await wait(1_000, { attempts: 6, initialDelayMs: 10, factor: 10, maxDelayMs: 50 });
    expect(asked).toEqual([0, 10, 60, 110, 160, 210]);
  });

  it('does not wait for a password that is wrong', async () => {
    lastFailure = new ConnectionError('wrong password', { transient: false, safeToRetry: true });
    const error = (await wait(0)) as ConnectionError;
    expect(error.message).toMatch(/in 1 attempt: wrong password/);
    expect(error.transient).toBe(false);
  });

  it('says when all hosts answer, and none of them is a primary', async () => {
    lastFailure = undefined;
    expect(((await wait(0, { attempts: 1 })) as Error).message).toMatch(
      /no host is a primary \(a: replica\)\. To start/,
    );
  });

  it('ends with the application that closes meanwhile', async () => {
    const waiting = wait(1_500);
    const reason = new Error('closing');
    clock.schedule(() => stopping.abort(reason), 1_200);
    expect(await waiting).toBe(reason);
    expect(asked).toEqual([0, 1_000]);
  });
});
