// Which borrowers are remembered.
import { describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import { borrowerOf, BorrowSampler } from './borrow-sampler.js';

const LEAK = {
  node: 'primary',
  backendPid: 1,
  heldMs: 60_000,
  lastText: undefined,
  borrowedAt: undefined,
};

const sampled = (sampler: BorrowSampler, count: number): boolean[] =>
  Array.from({ length: count }, () => sampler.sample() !== undefined);

describe('BorrowSampler', () => {
  it('remembers the first borrowers, and one in 512 of those who follow', () => {
    const sampler = new BorrowSampler(new Events());
    expect(sampled(sampler, 16)).toEqual(Array(16).fill(true));
    const later = sampled(sampler, 51_200);
    expect(later.filter(Boolean)).toHaveLength(100);
    expect(later[0]).toBe(true);
    expect(later.slice(1, 512)).toEqual(Array(511).fill(false));
  });

  it('remembers everybody for a while after a leak', () => {
    const events = new Events();
    const sampler = new BorrowSampler(events);
    sampled(sampler, 100);
    events.emit('lease:leaked', LEAK);
    expect(sampled(sampler, 10_000).every(Boolean)).toBe(true);
    expect(sampled(sampler, 5_120).filter(Boolean)).toHaveLength(10);
  });

  it('names the code that borrows, however deep below our own frames', () => {
    const sampler = new BorrowSampler(new Events());
    const limit = Error.stackTraceLimit;
    const theApplication = (): ReturnType<BorrowSampler['sample']> => sampler.sample();
    expect(theApplication()?.stack).toContain('theApplication');
    expect(Error.stackTraceLimit).toBe(limit);
  });

  it('begins with the code that borrows, not with what is built in between', () => {
    const stack = [
      'Error',
      '    at new Promise (<anonymous>)',
      '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
      '    at borrows (/app/orders.js:1:1)',
      '    at Array.map (<anonymous>)',
    ].join('\n');
    expect(borrowerOf({ stack })?.split('\n')).toEqual([
      '    at borrows (/app/orders.js:1:1)',
      '    at Array.map (<anonymous>)',
    ]);
  });
});
