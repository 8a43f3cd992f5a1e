// First come, first served; leaving from anywhere costs the others nothing.
import { describe, expect, it } from '@jest/globals';
import { Waiter, WaitQueue } from './wait-queue.js';

class Someone extends Waiter {
  constructor(readonly number: number) {
    super();
  }
  override granted(): void {}
  override refused(): void {}
}

function queueOf(count: number): { queue: WaitQueue; waiters: Someone[] } {
  const queue = new WaitQueue();
  const waiters = Array.from({ length: count }, (_, number) => new Someone(number));
  for (const waiter of waiters) queue.push(waiter);
  return { queue, waiters };
}

function drain(queue: WaitQueue): number[] {
  const numbers: number[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift())
    numbers.push((next as Someone).number);
  return numbers;
}

describe('WaitQueue', () => {
  it('serves in the order of arrival', () => {
    const { queue } = queueOf(5);
    expect(queue.size).toBe(5);
    expect(drain(queue)).toEqual([0, 1, 2, 3, 4]);
    expect(queue.size).toBe(0);
    expect(queue.shift()).toBeUndefined();
  });

  it.each([
    ['first', 0, [1, 2, 3, 4]],
    ['middle', 2, [0, 1, 3, 4]],
    ['last', 4, [0, 1, 2, 3]],
  ])('lets the %s one leave', (_, leaving, rest) => {
    const { queue, waiters } = queueOf(5);
    queue.remove(waiters[leaving] as Someone);
    expect(queue.size).toBe(4);
    expect(drain(queue)).toEqual(rest);
  });

  it('has nothing to do for somebody who left, was served, or never came', () => {
    const { queue, waiters } = queueOf(2);
    const served = queue.shift() as Waiter;
    for (let i = 0; i < 2; i++) {
      queue.remove(served);
      queue.remove(new Someone(9));
    }
    expect(queue.size).toBe(1);
    queue.remove(waiters[1] as Someone);
    queue.remove(waiters[1] as Someone);
    expect(queue.size).toBe(0);
  });

  it('takes somebody back at the end', () => {
    const { queue, waiters } = queueOf(3);
    const [first] = waiters;
    queue.remove(first as Someone);
    queue.push(first as Someone);
    expect(drain(queue)).toEqual([1, 2, 0]);
  });

  it.each([1, 2, 3])('agrees with a plain list through 20,000 random steps (seed %i)', (seed) => {
    let state = seed;
    const random = (): number =>
      (state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296) / 4_294_967_296;
    const queue = new WaitQueue();
    const list: Someone[] = [];
    const wrong: string[] = [];
    for (let step = 0; step < 20_000; step++) {
      const dice = random();
      if (dice < 0.45) {
        const someone = new Someone(step);
        queue.push(someone);
        list.push(someone);
      } else if (dice < 0.75) {
        if (queue.shift() !== list.shift()) wrong.push(`step ${step}: another one was served`);
      } else if (list.length > 0) {
        const [someone] = list.splice(Math.floor(random() * list.length), 1);
        queue.remove(someone as Someone);
      }
      if (queue.size !== list.length) wrong.push(`step ${step}: ${queue.size} of ${list.length}`);
    }
    expect(wrong).toEqual([]);
    expect(drain(queue)).toEqual(list.map(({ number }) => number));
  });
});
