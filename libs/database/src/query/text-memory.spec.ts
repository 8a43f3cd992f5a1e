// What is remembered of texts, and which of them go first.
import { describe, expect, it } from '@jest/globals';
import { TextMemory } from './text-memory.js';

describe('TextMemory', () => {
  it('forgets the oldest texts, and only as many as are too many', () => {
    const memory = new TextMemory<number>();
    for (let n = 0; n < 16_384; n++) memory.add(`text ${n}`, n);
    expect(memory.get('text 0')).toBe(0);
    let wrong = 0;
    for (let n = 16_384; n < 50_000; n++) {
      memory.add(`text ${n}`, n);
      const [gone, kept] = [n - 16_384, n - 16_383].map((at) => memory.get(`text ${at}`));
      if (gone !== undefined || kept !== n - 16_383) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it('holds four million characters', () => {
    const memory = new TextMemory<number>();
    const long = (n: number): string => `${n}`.padEnd(100_000);
    for (let n = 0; n < 45; n++) memory.add(long(n), n);
    expect([4, 5, 44].map((n) => memory.get(long(n)))).toEqual([undefined, 5, 44]);
  });

  it('goes on after a text that leaves no room for any', () => {
    const memory = new TextMemory<number>();
    memory.add('short', 1);
    memory.add('x'.repeat(5_000_000), 2);
    expect(memory.get('short')).toBeUndefined();
    for (let n = 0; n < 20_000; n++) memory.add(`text ${n}`, n);
    expect(memory.get('text 3615')).toBeUndefined();
    expect(memory.get('text 3616')).toBe(3_616);
  });
});
