// The schedule of faults.
import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS, planFaults } from './schedule.js';

const lengthMs = (seed: number, seconds: number): number =>
  planFaults(seed, seconds).reduce((sum, { calmMs, lastsMs }) => sum + calmMs + lastsMs, 0);

describe('planFaults', () => {
  it('gives the same schedule for the same seed', () => {
    expect(planFaults(7, 60)).toEqual(planFaults(7, 60));
    // Written down, so that a seed of an old report still means the same.
    expect(planFaults(1, 1).slice(0, 3)).toMatchInlineSnapshot(`
      [
        {
          "calmMs": 339,
          "delayMs": 0,
          "kind": "replica-stop",
          "lastsMs": 1509,
          "target": "replica",
        },
        {
          "calmMs": 354,
          "delayMs": 119,
          "kind": "delay",
          "lastsMs": 1723,
          "target": "primary",
        },
        {
          "calmMs": 967,
          "delayMs": 0,
          "kind": "switchover",
          "lastsMs": 86,
          "target": "primary",
        },
      ]
    `);
  });

  it('gives another schedule for another seed', () => {
    const kinds = (seed: number): string[] => planFaults(seed, 60).map(({ kind }) => kind);
    expect(kinds(1)).not.toEqual(kinds(2));
  });

  it('begins a longer run as a shorter one of the same seed', () => {
    const short = planFaults(3, 10);
    expect(planFaults(3, 300).slice(0, short.length)).toEqual(short);
  });

  it('has every kind strike once before one strikes again', () => {
    for (let seed = 0; seed < 50; seed++) {
      const kinds = planFaults(seed, 120).map(({ kind }) => kind);
      for (let at = 0; at < kinds.length; at += FAULT_KINDS.length) {
        expect(kinds.slice(at, at + FAULT_KINDS.length).toSorted()).toEqual(FAULT_KINDS.toSorted());
      }
    }
  });

  it('fills the time of the run', () => {
    for (const seconds of [1, 15, 60, 600]) {
      expect(lengthMs(11, seconds)).toBeGreaterThanOrEqual(seconds * 1_000);
    }
  });

  it('delays where the kind is delay, and nowhere else', () => {
    for (const { kind, delayMs } of planFaults(5, 600)) expect(delayMs > 0).toBe(kind === 'delay');
  });

  it('hits the server that the kind is about', () => {
    for (const { kind, target } of planFaults(9, 600)) {
      if (kind === 'replica-stop') expect(target).toBe('replica');
      if (['kill', 'promote', 'switchover', 'connection-limit'].includes(kind)) {
        expect(target).toBe('primary');
      }
    }
  });
});
