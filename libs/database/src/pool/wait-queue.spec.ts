// First come, first served; leaving from anywhere costs the others nothing.
import { describe, expect, it } from '@jest/globals';
import type { Priority } from '../query/query.js';
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

describe('priorities', () => {
  class Ranked extends Waiter {
    constructor(
      readonly name: string,
      priority: Priority,
      isNested = false,
    ) {
      super(priority);
      this.isNested = isNested;
    }
    override granted(): void {}
    override refused(): void {}
  }
  const names = (queue: WaitQueue, newestFirst = false): string[] => {
    const seen: string[] = [];
    for (let next = queue.shift(newestFirst); next; next = queue.shift(newestFirst))
      seen.push((next as Ranked).name);
    return seen;
  };
  const filled = (): WaitQueue => {
    const queue = new WaitQueue();
    for (const n of [1, 2]) {
      queue.push(new Ranked(`low ${n}`, 'low'));
      queue.push(new Ranked(`normal ${n}`, 'normal'));
      queue.push(new Ranked(`high ${n}`, 'high'));
      queue.push(new Ranked(`nested ${n}`, 'low', true));
    }
    return queue;
  };

  it('go before the order of arrival; who holds a connection goes first', () => {
    expect(names(filled())).toEqual([
      ...['nested 1', 'nested 2', 'high 1', 'high 2'],
      ...['normal 1', 'normal 2', 'low 1', 'low 2'],
    ]);
  });

  it('let the newest go first where it is asked for, of those who may be shed', () => {
    expect(names(filled(), true)).toEqual([
      ...['nested 1', 'nested 2', 'high 1', 'high 2'],
      ...['normal 2', 'normal 1', 'low 2', 'low 1'],
    ]);
  });

  it('let nobody wait for ever: one in nine goes to a lane that was passed over', () => {
    const queue = new WaitQueue();
    for (let n = 0; n < 5; n++) queue.push(new Ranked(`low ${n}`, 'low'));
    const served: string[] = [];
    for (let n = 0; n < 45; n++) {
      queue.push(new Ranked('high', 'high'));
      queue.push(new Ranked('high', 'high'));
      served.push((queue.shift() as Ranked).name);
    }
    const low = served.flatMap((name, at) => (name.startsWith('low') ? [at] : []));
    expect(low).toEqual([8, 17, 26, 35, 44]);
    expect(served[8]).toBe('low 0');
    expect(served[44]).toBe('low 4');
  });

  it('let all lanes that are passed over have their turn', () => {
    const queue = new WaitQueue();
    const counts: Record<string, number> = { high: 0, normal: 0, low: 0 };
    const lanes: Priority[] = ['high', 'normal', 'low'];
    for (let n = 0; n < 180; n++) {
      for (const priority of lanes) queue.push(new Ranked(priority, priority));
      const { name } = queue.shift() as Ranked;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(counts['normal']).toBeGreaterThanOrEqual(18);
    expect(counts['low']).toBeGreaterThanOrEqual(18);
    expect(counts['high']).toBeGreaterThanOrEqual(130);
  });

  it('tell who makes way for somebody more urgent: the newest of the least urgent', () => {
    const queue = filled();
    const way = (priority: Priority, isNested = false): string | undefined =>
      (queue.evictFor(new Ranked('new', priority, isNested)) as Ranked | undefined)?.name;
    expect(way('low')).toBeUndefined();
    expect(way('normal')).toBe('low 2');
    expect(way('high')).toBe('low 1');
    expect(way('normal')).toBeUndefined();
    expect(way('high')).toBe('normal 2');
    expect(way('low', true)).toBe('normal 1');
    expect(way('low', true)).toBe('high 2');
    expect(way('low', true)).toBe('high 1');
    expect(way('low', true)).toBeUndefined();
    expect(queue.size).toBe(2);
  });
});
