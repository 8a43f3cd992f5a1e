import { describe, expect, it } from '@jest/globals';
import { ArgumentError, readArguments } from './arguments.js';

const WORKLOADS = ['point', 'pointless', 'concurrency/1', 'concurrency/64'];
const read = (...args: string[]) => readArguments(args, WORKLOADS);

it('has defaults', () => {
  expect(read()).toEqual({
    ...{ only: [], seconds: 1, rounds: 3, callers: 64, json: undefined, report: undefined },
  });
});

it('reads what it is given', () => {
  const args = ['--only', 'point,concurrency/64', '--seconds', '0.2', '--rounds=5'];
  expect(read(...args, '--callers', '8', '--json', 'out.json')).toEqual({
    ...{ only: ['point', 'concurrency/64'], seconds: 0.2, rounds: 5, callers: 8 },
    ...{ json: 'out.json', report: undefined },
  });
});

it('takes a family of workloads', () => {
  expect(read('--only', 'concurrency').only).toEqual(['concurrency']);
});

it.each([
  [['--report'], 'bench/REPORT.md'],
  [['--report', '--rounds', '1'], 'bench/REPORT.md'],
  [['--report', 'other.md'], 'other.md'],
])('%j writes %s', (args, file) => {
  expect(read(...args).report).toBe(file);
});

describe('complains in one line of the option, the rule and the mend about', () => {
  it.each([
    [['--only', 'nosuch'], '--only nosuch: "nosuch" is no workload. Choose among point, '],
    [['--only', 'point,'], '--only point,: "" is no workload.'],
    [['--only', 'conc'], '"conc" is no workload'],
    [['--seconds', '0'], '--seconds 0: must be a number from 0.01 to 600. Say --seconds 1'],
    [['--seconds', '1e9'], '--seconds 1e9: must be a number'],
    [['--seconds', ''], '--seconds : must be a number'],
    [['--rounds', 'x'], '--rounds x: must be a whole number from 1 to 1000. Say --rounds 3'],
    [['--rounds', '1.5'], '--rounds 1.5: must be a whole number'],
    [['--callers', '0'], '--callers 0: must be a whole number from 1 to 2000.'],
    [['--json', 'no/such/folder/x.json'], '--json no/such/folder/x.json: must be a file'],
    [['--json', 'bench'], '--json bench: must be a file'],
    [['--fast'], "Unknown option '--fast'. The options are --only, --seconds,"],
    [['--rounds'], "Option '--rounds <value>' argument missing. The options are"],
    [['point'], "Unexpected argument 'point'. This command does not take positional arguments"],
  ])('%j', (args, message) => {
    expect(() => read(...args)).toThrow(ArgumentError);
    expect(() => read(...args)).toThrow(message);
    expect(() => read(...args)).not.toThrow(/\n/);
  });
});
