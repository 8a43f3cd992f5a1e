// Rooms are started once, stopped once, in reverse, and none of them takes the others down.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import type { Capability } from './capability.js';
import { CapabilityHost } from './capability-host.js';

describe('CapabilityHost', () => {
  let calls: string[];
  let failures: string[];
  let events: Events;

  beforeEach(() => {
    calls = [];
    failures = [];
    events = new Events();
    events.on('work:failed', ({ work }) => failures.push(work));
  });

  const room = (name: string, change: Partial<Capability> = {}): Capability => ({
    name,
    isEnabled: true,
    start: () => void calls.push(`start ${name}`),
    stop: () => void calls.push(`stop ${name}`),
    snapshot: () => `${name} seen`,
    ...change,
  });

  it('starts in order and stops in reverse', async () => {
    const host = new CapabilityHost([room('a'), room('b')], events);
    await host.start();
    await host.stop();
    expect(calls).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('starts and stops each room once, however often it is told', async () => {
    const host = new CapabilityHost([room('a')], events);
    await Promise.all([host.start(), host.start()]);
    await Promise.all([host.stop(), host.stop()]);
    await host.start();
    expect(calls).toEqual(['start a', 'stop a']);
  });

  it('leaves a room that is off alone', async () => {
    const host = new CapabilityHost([room('a', { isEnabled: false }), room('b')], events);
    await host.start();
    await host.stop();
    expect(calls).toEqual(['start b', 'stop b']);
    expect(host.snapshots()).toEqual({ b: 'b seen' });
  });

  it('goes on after a room that fails, and stops that one too', async () => {
    const broken = room('a', { start: () => Promise.reject(new Error('no')) });
    const host = new CapabilityHost([broken, room('b')], events);
    await host.start();
    await host.stop();
    expect(calls).toEqual(['start b', 'stop b', 'stop a']);
    expect(failures).toEqual(['start a']);
  });

  it('stops the others when one refuses to stop', async () => {
    const broken = room('b', {
      stop: () => {
        throw new Error('no');
      },
    });
    const host = new CapabilityHost([room('a'), broken], events);
    await host.start();
    await host.stop();
    expect(calls).toEqual(['start a', 'start b', 'stop a']);
    expect(failures).toEqual(['stop b']);
  });

  it('starts no further room once it was told to stop', async () => {
    let letGo: () => void = () => undefined;
    const slow = room('a', {
      start: () =>
        new Promise<void>((resolve) => {
          letGo = resolve;
        }),
    });
    const host = new CapabilityHost([slow, room('b')], events);
    const started = host.start();
    const stopped = host.stop();
    letGo();
    await Promise.all([started, stopped]);
    expect(calls).toEqual(['stop a']);
  });

  it('stops without having been started', async () => {
    await new CapabilityHost([room('a')], events).stop();
    expect(calls).toEqual([]);
  });
});
