// What is written, how loud, how often; and what is never written.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { EventMap } from '../kernel/event-map.js';
import { ConnectionError } from '../kernel/errors.js';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import { EventLog } from './event-log.js';
import { callSites, safeText, statementText } from './log-text.js';

const LEASE = {
  node: 'primary',
  backendPid: 42,
  heldMs: 61_000,
  lastText: "UPDATE users SET password = 'hunter2' WHERE id = 17",
  borrowedAt:
    'Error\n    at Orders.place (/app/orders.service.ts:12:3)\n    at node:internal/x:1\n    at main (/app/main.ts:1:1)',
};

describe('EventLog', () => {
  let clock: FakeClock;
  let events: Events;
  let log: EventLog;
  let lines: Array<readonly [string, string]>;

  beforeEach(() => {
    lines = [];
    const write =
      (level: string) =>
      (text: string): void => {
        lines.push([level, text]);
      };
    Logger.overrideLogger({
      error: write('error'),
      warn: write('warn'),
      log: write('log'),
      debug: write('debug'),
    });
    clock = new FakeClock();
    events = new Events();
    const options = { logRepeatMs: 60_000, logBurst: 3 };
    log = new EventLog({ events, clock, options, context: 'Database' });
    log.start();
  });

  afterEach(() => {
    log.stop();
    Logger.overrideLogger(new Logger());
    expect(clock.pendingTimers).toBe(0);
  });

  const lost = new ConnectionError('Cannot connect to db:5432/app: ECONNREFUSED.');
  const emit = <Name extends keyof EventMap>(name: Name, facts: EventMap[Name]): void =>
    events.emit(name, facts);

  const told: ReadonlyArray<readonly [() => void, string, RegExp]> = [
    [() => emit('node:connected', { node: 'primary', role: 'primary' }), 'log', /is connected/],
    [
      () => emit('node:disconnected', { node: 'primary', error: lost }),
      'error',
      /lost.*check the server/,
    ],
    [
      () => emit('node:reconnected', { node: 'primary', downMs: 12_300 }),
      'log',
      /back after 12\.3 s/,
    ],
    [
      () => emit('node:reconnect-failed', { node: 'primary', attempt: 2, error: lost }),
      'warn',
      /Attempt 2/,
    ],
    [
      () => emit('node:role-changed', { node: 'node-1', from: 'replica', to: 'primary' }),
      'warn',
      /was replica and is primary/,
    ],
    [() => emit('connection:failed', { node: 'primary', error: lost }), 'warn', /ECONNREFUSED/],
    [
      () => emit('lease:leaked', LEASE),
      'warn',
      /Orders\.place \(\/app\/orders\.service\.ts:12:3\) < main.*finally/,
    ],
    [() => emit('lease:returned-late', LEASE), 'log', /after all/],
    [() => emit('lease:dirty', LEASE), 'warn', /COMMIT or ROLLBACK/],
    [
      () => emit('pool:saturated', { node: 'primary', leased: 17, max: 20 }),
      'warn',
      /17 of 20.*pool\.max/,
    ],
    [() => emit('pool:relieved', { node: 'primary', leased: 3, max: 20 }), 'log', /room again/],
    [
      () => emit('pool:closed', { node: 'primary', tookMs: 12, cancelled: 0, destroyed: 0 }),
      'log',
      /closed in 12 ms/,
    ],
    [
      () => emit('pool:closed', { node: 'primary', tookMs: 12_000, cancelled: 2, destroyed: 1 }),
      'warn',
      /closeTimeoutMs/,
    ],
    [
      () => emit('circuit:opened', { node: 'primary', openMs: 1_000, error: lost }),
      'warn',
      /refused until a probe/,
    ],
    [() => emit('circuit:half-opened', { node: 'primary' }), 'debug', /probes/],
    [() => emit('circuit:closed', { node: 'primary' }), 'log', /closed again/],
    [
      () => emit('transaction:retried', { attempt: 1, delayMs: 90, error: lost }),
      'debug',
      /again in 90 ms/,
    ],
    [
      () => emit('transaction:hook-failed', { error: new TypeError('x is undefined') }),
      'error',
      /TypeError: x is undefined.*transaction stands/,
    ],
    [
      () => emit('work:failed', { work: 'probe primary', error: 'text' }),
      'warn',
      /probe primary.*text/,
    ],
    [() => emit('listener:failed', { event: 'query:done', error: lost }), 'error', /query:done/],
  ];

  it.each(told.map(([happen, level, text]) => [level, text, happen] as const))(
    'writes one %s line: %s',
    (level, text, happen) => {
      happen();
      expect(lines).toHaveLength(1);
      expect(lines[0]?.[0]).toBe(level);
      expect(lines[0]?.[1]).toMatch(text);
      expect(lines[0]?.[1]).not.toContain('\n');
    },
  );

  it('is silent about what is normal: a first role, a query, a connection', () => {
    emit('node:role-changed', { node: 'node-1', from: 'unknown', to: 'primary' });
    emit('connection:opened', { node: 'primary', backendPid: 1, tookMs: 3 });
    emit('connection:closed', { node: 'primary', backendPid: 1, reason: 'it was idle' });
    expect(lines).toEqual([]);
  });

  it('writes three lines of an outage at once, then one a minute with their number', () => {
    for (let second = 0; second < 600; second++) {
      emit('node:reconnect-failed', { node: 'primary', attempt: second + 1, error: lost });
      clock.advanceMs(1_000);
    }
    expect(lines).toHaveLength(3 + 10);
    expect(lines[3]?.[1]).toMatch(/Attempt 60 .*\(57 more times within 1\.0 min\)/);
  });

  it('counts failed probes and failed connections of a node as one trouble', () => {
    for (let attempt = 1; attempt <= 5; attempt++) {
      emit('node:reconnect-failed', { node: 'primary', attempt, error: lost });
      emit('connection:failed', { node: 'primary', error: lost });
    }
    expect(lines).toHaveLength(3);
  });

  it('ends with the last word about a node that comes and goes', () => {
    for (let i = 0; i < 20; i++) {
      emit('node:disconnected', { node: 'primary', error: lost });
      emit('node:reconnected', { node: 'primary', downMs: 100 });
    }
    clock.advanceMs(60_000);
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)?.[1]).toMatch(/is back after 100 ms\. \(37 more times/);
  });

  it('speaks freely again after a quiet window', () => {
    for (let i = 0; i < 5; i++) emit('connection:failed', { node: 'primary', error: lost });
    clock.advanceMs(180_000);
    lines = [];
    emit('connection:failed', { node: 'primary', error: lost });
    expect(lines).toHaveLength(1);
  });

  it('keeps the lines of two nodes apart', () => {
    for (const node of ['primary', 'replica-1']) {
      for (let i = 0; i < 5; i++) emit('connection:failed', { node, error: lost });
    }
    expect(lines).toHaveLength(6);
  });

  it('writes what it held back when it stops, and nothing afterwards', () => {
    for (let i = 0; i < 5; i++) emit('connection:failed', { node: 'primary', error: lost });
    log.stop();
    expect(lines).toHaveLength(4);
    emit('connection:failed', { node: 'primary', error: lost });
    expect(lines).toHaveLength(4);
  });

  it('writes no password, no literal of a statement', () => {
    emit('lease:leaked', LEASE);
    const error = new Error('postgres://app:hun@ter/2@db:5432/app refused; password=hunter2');
    emit('work:failed', { work: 'x', error });
    const text = lines.map(([, line]) => line).join();
    expect(text).not.toMatch(/hun@?ter/);
    expect(text).not.toContain('17');
    expect(text).toContain('SET password = ? WHERE id = ?');
  });
});

describe('text for a log', () => {
  it.each([
    ["SELECT 'a''b', $1, 42, t1.x", 'SELECT ?, $1, ?, t1.x'],
    ["SELECT E'it\\'s' || 'x'", /^SELECT E/],
    ['SELECT $tag$ secret $tag$', 'SELECT ...'],
    ['SELECT $$ secret $$, $1', 'SELECT ...'],
    ['SELECT\n  1.5', 'SELECT ?'],
  ])('shows %j without its literals', (text, shown) => {
    expect(statementText(text)).toMatch(shown);
    expect(statementText(text)).not.toContain('secret');
  });

  it('cuts what is long', () => {
    expect(safeText('x'.repeat(10_000))).toHaveLength(500);
    expect(statementText(`SELECT ${'x, '.repeat(1_000)}`)).toHaveLength(120);
  });

  it('has no calls for a stack that has none', () => {
    expect(callSites(undefined, 3)).toBeUndefined();
    expect(callSites('Error: x\n    at node:internal/y:1', 3)).toBeUndefined();
  });
});
