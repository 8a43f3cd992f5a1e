// The typed emitter: order, errors of listeners, changes while an event is told.
import { describe, expect, it } from '@jest/globals';
import { Events } from './events.js';

const CLOSED = { node: 'primary' };

describe('Events', () => {
  it('tells listeners in the order of their registration, before emit returns', () => {
    const events = new Events();
    const seen: string[] = [];
    events.on('circuit:closed', ({ node }) => seen.push(`a ${node}`));
    events.on('circuit:closed', ({ node }) => seen.push(`b ${node}`));
    events.emit('circuit:closed', CLOSED);
    expect(seen).toEqual(['a primary', 'b primary']);
  });

  it('keeps events apart, and knows who is listened to', () => {
    const events = new Events();
    const seen: string[] = [];
    const leave = events.on('circuit:closed', () => seen.push('closed'));
    events.emit('circuit:half-opened', CLOSED);
    expect(seen).toEqual([]);
    expect([events.has('circuit:closed'), events.has('circuit:half-opened')]).toEqual([
      true,
      false,
    ]);
    leave();
    leave();
    expect(events.has('circuit:closed')).toBe(false);
    events.emit('circuit:closed', CLOSED);
    expect(seen).toEqual([]);
  });

  it('keeps an error of a listener from the emitter and from the others, and tells it', () => {
    const events = new Events();
    const error = new Error('boom');
    const seen: unknown[] = [];
    events.on('listener:failed', (facts) => seen.push(facts));
    events.on('circuit:closed', () => {
      throw error;
    });
    events.on('circuit:closed', () => seen.push('second'));
    events.emit('circuit:closed', CLOSED);
    expect(seen).toEqual([{ event: 'circuit:closed', error }, 'second']);
  });

  it('survives a listener of failures that fails itself', () => {
    const events = new Events();
    const boom = (): never => {
      throw new Error('boom');
    };
    events.on('listener:failed', boom);
    events.on('circuit:closed', boom);
    expect(() => events.emit('circuit:closed', CLOSED)).not.toThrow();
  });

  it('tells an event to those who listened when it began', () => {
    const events = new Events();
    const seen: string[] = [];
    const leave = events.on('circuit:closed', () => {
      seen.push('first');
      leaveSecond();
      events.on('circuit:closed', () => seen.push('newcomer'));
    });
    const leaveSecond = events.on('circuit:closed', () => seen.push('second'));
    events.emit('circuit:closed', CLOSED);
    expect(seen).toEqual(['first', 'second']);
    leave();
    events.emit('circuit:closed', CLOSED);
    expect(seen).toEqual(['first', 'second', 'newcomer']);
  });

  it('can be told an event inside of an event', () => {
    const events = new Events();
    const seen: string[] = [];
    events.on('circuit:half-opened', () => {
      seen.push('half-opened');
      events.emit('circuit:closed', CLOSED);
      seen.push('after');
    });
    events.on('circuit:closed', () => seen.push('closed'));
    events.emit('circuit:half-opened', CLOSED);
    expect(seen).toEqual(['half-opened', 'closed', 'after']);
  });
});
