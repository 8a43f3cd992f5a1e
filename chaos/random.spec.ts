// Random numbers that a seed repeats.
import { describe, expect, it } from '@jest/globals';
import { Random } from './random.js';

const draw = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.next());

describe('Random', () => {
  it('repeats its numbers for the same seed, and not for another one', () => {
    expect(draw(new Random(42), 100)).toEqual(draw(new Random(42), 100));
    expect(draw(new Random(42), 100)).not.toEqual(draw(new Random(43), 100));
  });

  it('draws whole numbers of the range, its ends included, each about as often', () => {
    const random = new Random(1);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) counts[random.whole(3, 6) - 3]! += 1;
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(120);
  });

  it('keeps every entry of a list that it shuffles, and the list itself', () => {
    const list = Object.freeze([1, 2, 3, 4, 5, 6, 7, 8]);
    const shuffled = new Random(5).shuffle(list);
    expect(shuffled.toSorted()).toEqual(list);
    expect(shuffled).not.toEqual(list);
  });

  it('gives a fork numbers that do not depend on when the others draw', () => {
    const [one, other] = [new Random(8), new Random(8)];
    const forks = [one.fork(), other.fork()] as const;
    draw(one, 10);
    expect(draw(forks[0], 20)).toEqual(draw(forks[1], 20));
  });
});
