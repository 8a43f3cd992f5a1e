// LISTEN on a server that the test plays: when lines are opened and given up, and in which order handlers are told.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConnectionTarget } from '../driver/target.js';
import { ConnectionError, QueryAbortedError, ShutdownError, UsageError } from '../kernel/errors.js';
import { ReadOnlyError } from '../kernel/query-errors.js';
import type { EventMap } from '../kernel/event-map.js';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { FakeConnection } from '../testing/fake-connection.js';
import { FakeDriver, refusedConnection } from '../testing/fake-driver.js';
import { LISTEN_DEFAULTS } from './listen.options.js';
import { Notifications } from './notifications.js';
import type { ListenOptions, NotificationHandler, Subscription } from './notification.js';

let clock: FakeClock;
let driver: FakeDriver;
let events: Events;
let told: Array<readonly [string, unknown]>;
let notifications: Notifications;
let primary: string | undefined;
let refusals: string[];

const NAMES: ReadonlyArray<keyof EventMap> = [
  'notifications:lost',
  'notifications:restored',
  'notifications:reconnect-failed',
  'notification:dropped',
  'notification:failed',
];

beforeEach(() => {
  clock = new FakeClock();
  driver = new FakeDriver(clock);
  driver.script = (_statement, { backendPid }) => ({ rows: [{ pid: backendPid }] });
  events = new Events();
  told = [];
  primary = 'a';
  refusals = [];
  for (const name of NAMES) events.on(name, (facts) => told.push([name, facts]));
  notifications = new Notifications({
    clock,
    events,
    options: { ...LISTEN_DEFAULTS, maxQueued: 3 },
    locate: () => {
      const node = primary;
      if (node === undefined) return undefined;
      const connect = () => driver.connect({} as ConnectionTarget, 2_000);
      return { node, connect, refused: () => void refusals.push(node) };
    },
    outside: (run) => run(),
    closeTimeoutMs: 1_000,
  });
});

afterEach(async () => {
  const stopping = notifications.stop();
  await clock.elapseMs(60_000);
  await stopping;
  expect(driver.open).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

const ignore = (): void => undefined;

/** Listens, and gives the outcome that there is after `ms`. */
async function outcome(
  handler: NotificationHandler = ignore,
  options: ListenOptions = {},
  { channel = 'x', ms = 10 } = {},
): Promise<unknown> {
  let result: unknown = 'pending';
  void notifications.listen(channel, handler, options).then(
    (subscription) => (result = subscription),
    (error: unknown) => (result = error),
  );
  await clock.elapseMs(ms);
  return result;
}

async function listen(
  handler?: NotificationHandler,
  options?: ListenOptions,
  channel = 'x',
): Promise<Subscription> {
  const result = await outcome(handler, options, { channel });
  expect(result).toHaveProperty('isListening', true);
  return result as Subscription;
}

function line(): FakeConnection {
  return driver.open.at(-1) as FakeConnection;
}

function notify(payload: string, channel = 'x', connection = line()): void {
  connection.tell('notification', { channel, payload, processId: 42 });
}

/** What changes what the server listens to. */
const commands = (): string[] => driver.texts.filter((text) => text.includes('LISTEN'));

describe('the line', () => {
  it('is opened for the first subscription, shared, and closed after the last one', async () => {
    expect(driver.attempts).toBe(0);
    const one = await listen();
    const two = await listen();
    const three = await listen(ignore, {}, 'y');
    expect(driver.attempts).toBe(1);
    expect(commands()).toEqual(['LISTEN "x"', 'LISTEN "y"']);
    for (const subscription of [one, two, three]) void subscription.close();
    await clock.elapseMs(10);
    expect(driver.open).toEqual([]);
    expect([one, two, three].map(({ isListening }) => isListening)).toEqual([false, false, false]);
  });

  it('stops listening to a channel with its last subscription', async () => {
    const one = await listen();
    const two = await listen();
    await listen(ignore, {}, 'y');
    await one.close();
    expect(commands()).toHaveLength(2);
    await two.close();
    expect(commands().at(-1)).toBe('UNLISTEN "x"');
  });

  it('listens again to a channel that is wanted while it is given up', async () => {
    await listen(ignore, {}, 'y');
    const first = await listen();
    driver.script = (_statement, { backendPid }) => ({ rows: [{ pid: backendPid }], afterMs: 5 });
    void first.close();
    const seen: string[] = [];
    const second = await outcome(({ payload }) => void seen.push(payload), {}, { ms: 30 });
    expect(second).toHaveProperty('isListening', true);
    expect(commands().slice(-2)).toEqual(['UNLISTEN "x"', 'LISTEN "x"']);
    notify('1');
    expect(seen).toEqual(['1']);
  });

  it('that falls silent is given up within 5 s, and all channels are listened to on a new one', async () => {
    await listen();
    await listen(ignore, {}, 'y');
    driver.script = (_statement, { backendPid }) =>
      backendPid === 1_000 ? { hangs: true } : { rows: [{ pid: backendPid }] };
    await clock.elapseMs(5_000);
    expect(driver.open.map(({ backendPid }) => backendPid)).toEqual([1_001]);
    expect(commands().at(-1)).toBe('LISTEN "x"; LISTEN "y"');
  });

  it('is asked whether it lives while nothing comes, and not otherwise replaced', async () => {
    await listen();
    await clock.elapseMs(60_000);
    expect(driver.attempts).toBe(1);
    expect(driver.texts.length).toBeGreaterThan(25);
  });

  it('that a pooler moves to another backend is given up', async () => {
    await listen();
    driver.script = () => ({ rows: [{ pid: 7 }] });
    await clock.elapseMs(2_500);
    expect(told[0]?.[0]).toBe('notifications:lost');
  });
});

describe('a lost line', () => {
  it('is opened again, and each subscription is told of its gap before anything new', async () => {
    const seen: unknown[] = [];
    const subscription = await listen(({ payload }) => void seen.push(payload), {
      onGap: ({ downMs, dropped }) => void seen.push({ downMs, dropped }),
    });
    notify('1');
    const lostAtMs = clock.nowMs();
    line().lose('57P01');
    expect(subscription.isListening).toBe(false);
    driver.script = ({ text }, connection) => {
      // In one piece with the answer to LISTEN, right behind it.
      const answered = (): void => queueMicrotask(() => notify('2', 'x', connection));
      if (text.startsWith('LISTEN')) queueMicrotask(answered);
      return { rows: [{ pid: connection.backendPid }] };
    };
    await clock.elapseMs(200);
    expect(subscription.isListening).toBe(true);
    const gap = seen[1] as { downMs: number };
    expect(seen).toEqual(['1', { downMs: gap.downMs, dropped: 0 }, '2']);
    expect(gap.downMs).toBeGreaterThanOrEqual(50);
    expect(gap.downMs).toBeLessThanOrEqual(clock.nowMs() - lostAtMs);
    expect(told.map(([name]) => name)).toEqual(['notifications:lost', 'notifications:restored']);
  });

  it('counts the gap from its last sign of life: a dead line has been dead since then', async () => {
    const gaps: Array<{ fromMs: number; toMs: number; downMs: number }> = [];
    await listen(ignore, { onGap: (gap) => void gaps.push(gap) });
    await clock.elapseMs(10_000);
    const heard = driver.texts.length;
    const silentFromMs = clock.nowMs();
    driver.script = (_statement, { backendPid }) =>
      backendPid === 1_000 ? { hangs: true } : { rows: [{ pid: backendPid }] };
    await clock.elapseMs(6_000);
    expect(driver.texts.length).toBeGreaterThan(heard);
    expect(gaps).toHaveLength(1);
    const [gap] = gaps as [{ fromMs: number; toMs: number; downMs: number }];
    expect(gap.fromMs).toBeLessThanOrEqual(silentFromMs);
    expect(silentFromMs - gap.fromMs).toBeLessThan(2_300);
    expect(gap.downMs).toBeCloseTo(gap.toMs - gap.fromMs, 3);
  });

  it('is tried again after pauses that grow, without end, and each failure is told', async () => {
    await listen();
    driver.connectScript = () => ({ error: refusedConnection() });
    line().lose('57P01');
    await clock.elapseMs(60_000);
    const attempts = driver.attempts - 1;
    expect(attempts).toBeGreaterThan(12);
    expect(attempts).toBeLessThan(30);
    expect(told.filter(([name]) => name === 'notifications:reconnect-failed')).toHaveLength(
      attempts,
    );
    driver.connectScript = () => undefined;
    await clock.elapseMs(6_000);
    expect(driver.open).toHaveLength(1);
  });

  it('makes whoever comes meanwhile wait, without a gap of his own', async () => {
    await listen();
    line().lose('57P01');
    const gaps: unknown[] = [];
    await listenAfter(200, { onGap: (gap) => void gaps.push(gap) });
    expect(gaps).toEqual([]);
  });

  it('follows the primary at once, without waiting for a pause to end', async () => {
    await listen();
    driver.connectScript = () => ({ error: refusedConnection() });
    line().lose('57P01');
    await clock.elapseMs(30_000);
    driver.connectScript = () => undefined;
    primary = 'b';
    events.emit('primary:changed', { from: 'a', to: 'b' });
    await clock.elapseMs(1);
    expect(told.at(-1)).toEqual(['notifications:restored', expect.objectContaining({ node: 'b' })]);
  });

  it('to a server that is primary no more is left, though it stands', async () => {
    await listen();
    primary = 'b';
    events.emit('primary:changed', { from: 'a', to: 'b' });
    await clock.elapseMs(10);
    expect(driver.open.map(({ backendPid }) => backendPid)).toEqual([1_001]);
  });
});

async function listenAfter(ms: number, options: ListenOptions): Promise<void> {
  expect(await outcome(ignore, options, { ms })).toHaveProperty('isListening', true);
}

describe('handlers', () => {
  it('are all called, each in order, whatever one of them throws', async () => {
    const seen: string[] = [];
    await listen(({ payload }) => {
      if (payload === '1') throw new Error('no');
      seen.push(`a${payload}`);
    });
    await listen(({ payload }) => Promise.reject(new Error(payload)));
    await listen(
      ({ payload, channel, backendPid }) => void seen.push(`c${payload}${channel}${backendPid}`),
    );
    notify('1');
    notify('2');
    await clock.elapseMs(1);
    expect(seen).toEqual(['c1x42', 'a2', 'c2x42']);
    const failed = told.filter(([name]) => name === 'notification:failed');
    expect(failed).toHaveLength(3);
    expect(failed[0]).toEqual(['notification:failed', { channel: 'x', error: new Error('no') }]);
  });

  it('are awaited one call after the other', async () => {
    const seen: string[] = [];
    await listen(async ({ payload }) => {
      seen.push(`begin ${payload}`);
      await clock.sleep(10);
      seen.push(`end ${payload}`);
    });
    notify('1');
    notify('2');
    await clock.elapseMs(20);
    expect(seen).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
  });

  it('that are too slow lose what does not fit into the queue, and are told where', async () => {
    const seen: unknown[] = [];
    await listen(
      async ({ payload }) => {
        seen.push(payload);
        await clock.sleep(100);
      },
      { onGap: ({ dropped, downMs }) => void seen.push({ dropped, downMs }) },
    );
    for (let i = 0; i < 10; i++) notify(String(i));
    await clock.elapseMs(1_000);
    notify('later');
    await clock.elapseMs(1_000);
    expect(seen).toEqual(['0', '1', '2', '3', { dropped: 6, downMs: 0 }, 'later']);
    expect(told).toEqual([['notification:dropped', { channel: 'x', queued: 3 }]]);
  });

  it('that do not wait take any number in one piece', async () => {
    let calls = 0;
    await listen(() => void calls++);
    for (let i = 0; i < 1_000; i++) notify(String(i));
    expect(calls).toBe(1_000);
    expect(told).toEqual([]);
  });

  it('are not called after they were closed, not by themselves either', async () => {
    const seen: string[] = [];
    const own: { subscription?: Subscription } = {};
    own.subscription = await listen(({ payload }) => {
      seen.push(payload);
      return own.subscription?.close();
    });
    const other: string[] = [];
    await listen(({ payload }) => void other.push(payload));
    notify('1');
    notify('2');
    await clock.elapseMs(10);
    expect(seen).toEqual(['1']);
    expect(other).toEqual(['1', '2']);
  });
});

describe('listen()', () => {
  it.each([
    [7, /is no text/],
    ['', /is empty/],
    ['a\0b', /NUL/],
    ['\ud800', /Unicode/],
    ['ä'.repeat(32), /64 bytes/],
  ])('refuses the channel %p', async (channel, reason) => {
    const error = await outcome(ignore, {}, { channel: channel as string });
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(reason);
    expect(driver.attempts).toBe(0);
  });

  it('quotes the channel, and takes one of 63 bytes', async () => {
    await listen(ignore, {}, 'Say "hi"; --');
    await listen(ignore, {}, 'é'.repeat(31) + 'x');
    expect(commands()[0]).toBe('LISTEN "Say ""hi""; --"');
  });

  it('refuses what is no handler, and a time that is none', async () => {
    expect(await outcome('log' as never)).toBeInstanceOf(UsageError);
    expect(await outcome(ignore, { timeoutMs: 0 })).toBeInstanceOf(UsageError);
  });

  it('tries again until its time is up, and then tells why', async () => {
    driver.connectScript = () => ({ error: refusedConnection() });
    expect(await outcome(ignore, {}, { ms: 9_000 })).toBe('pending');
    await clock.elapseMs(2_000);
    expect(await outcome(ignore, { timeoutMs: 500 }, { ms: 600 })).toBeInstanceOf(ConnectionError);
    expect(driver.attempts).toBeGreaterThan(3);
    await clock.elapseMs(10_000);
    const { attempts } = driver;
    await clock.elapseMs(60_000);
    expect(driver.attempts).toBe(attempts);
  });

  it('does not wait for what will not change', async () => {
    const error = new ConnectionError('password', { transient: false });
    driver.connectScript = () => ({ error });
    expect(await outcome()).toBe(error);
  });

  it('waits for a primary', async () => {
    primary = undefined;
    let found: unknown;
    void notifications.listen('x', ignore).then((subscription) => (found = subscription));
    await clock.elapseMs(1_000);
    primary = 'b';
    events.emit('primary:changed', { from: undefined, to: 'b' });
    await clock.elapseMs(10);
    expect(found).toHaveProperty('isListening', true);
  });

  it('on a standby tells that it is none, and looks again', async () => {
    driver.script = ({ text }, { backendPid }) =>
      text.startsWith('LISTEN') && backendPid === 1_000
        ? {
            error: new ReadOnlyError('cannot execute LISTEN during recovery', {
              sqlState: '25006',
            }),
          }
        : { rows: [{ pid: backendPid }] };
    await listenAfter(300, {});
    expect(refusals).toEqual(['a']);
    expect(driver.open.map(({ backendPid }) => backendPid)).toEqual([1_001]);
    expect(told).toEqual([]);
  });

  it('behind a pooler that shares backends is refused at once, with the mend', async () => {
    driver.script = () => ({ rows: [{ pid: 7 }] });
    const error = await outcome();
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(/listen: \{ url \}/);
    expect(driver.open).toEqual([]);
  });

  it('sends nothing for a signal that is aborted already', async () => {
    const error = await outcome(ignore, { signal: AbortSignal.abort() });
    expect(error).toMatchObject({ name: 'QueryAbortedError', safeToRetry: true });
    expect(driver.attempts).toBe(0);
  });

  it('gives up by its signal, before the acknowledgement and after it', async () => {
    driver.connectScript = () => ({ hangs: true });
    const early = new AbortController();
    const pending = outcome(ignore, { signal: early.signal }, { ms: 100 });
    early.abort();
    expect(await pending).toBeInstanceOf(QueryAbortedError);
    driver.connectScript = () => undefined;
    await clock.elapseMs(5_000);
    const late = new AbortController();
    const subscription = await listen(ignore, { signal: late.signal });
    late.abort();
    await clock.elapseMs(10);
    expect(subscription.isListening).toBe(false);
    expect(driver.open).toEqual([]);
  });
});

describe('the end of the instance', () => {
  it('ends subscriptions, refuses those who wait, and waits for a handler under way', async () => {
    let ended = false;
    const subscription = await listen(async () => {
      await clock.sleep(500);
      ended = true;
    });
    notify('1');
    notify('2');
    driver.script = () => ({ hangs: true });
    const waiting = outcome(ignore, {}, { channel: 'z' });
    let stopped = false;
    void notifications.stop().then(() => (stopped = true));
    expect(await waiting).toBeInstanceOf(ShutdownError);
    expect(subscription.isListening).toBe(false);
    await clock.elapseMs(400);
    expect([ended, stopped]).toEqual([false, false]);
    await clock.elapseMs(200);
    expect([ended, stopped]).toEqual([true, true]);
    expect(await outcome()).toBeInstanceOf(ShutdownError);
  });

  it('does not wait longer than it may', async () => {
    await listen(() => new Promise(() => undefined));
    notify('1');
    let stopped = false;
    void notifications.stop().then(() => (stopped = true));
    await clock.elapseMs(1_100);
    expect(stopped).toBe(true);
  });
});
