// Problems of options: all at once, each with its rule and mend, none with a secret.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigurationError } from './errors.js';
import type { OptionProblem } from './errors.js';
import { Checks, shown } from './option-checks.js';

let checks: Checks;

beforeEach(() => {
  checks = new Checks();
});

function problems(): readonly OptionProblem[] {
  try {
    checks.throwIfAny();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as ConfigurationError).problems;
  }
  return [];
}

describe('numbers', () => {
  it.each<[unknown, boolean]>([
    [1, true],
    [0, false],
    [10, true],
    [11, false],
    [1.5, false],
    [-1, false],
    ['5', false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
    [5n, false],
    [undefined, false],
    [null, false],
  ])('%p as a count of 1 to 10: %p', (value, isRight) => {
    checks.count('pool.max', value, { min: 1, max: 10 });
    expect(problems()).toHaveLength(isRight ? 0 : 1);
  });

  it.each<[unknown, boolean]>([
    [0, true],
    [0.5, true],
    [1, true],
    [1.01, false],
    [-0.01, false],
    ['0.5', false],
    [Number.NaN, false],
    [undefined, false],
  ])('%p as a number of 0 to 1: %p', (value, isRight) => {
    checks.number('retry.jitter', value, { min: 0, max: 1 });
    expect(problems()).toHaveLength(isRight ? 0 : 1);
  });

  it('durations are whole ms that a timer can take', () => {
    checks.durationMs('a', 2_147_483_647, { min: 1 });
    expect(problems()).toEqual([]);
    checks.durationMs('b', 2_147_483_648, { min: 1 });
    checks.durationMs('c', 1.5, { min: 1 });
    checks.durationMs('d', 0, { min: 1 });
    expect(problems().map(({ path }) => path)).toEqual(['b', 'c', 'd']);
  });

  it('without an upper bound may be large, yet counted', () => {
    checks.count('a', Number.MAX_SAFE_INTEGER, { min: 0 });
    checks.number('b', 1e300, { min: 0 });
    expect(problems()).toEqual([]);
    checks.count('c', -1, { min: 0 });
    expect(problems()[0]?.rule).toBe('must be a whole number >= 0');
  });
});

describe('other kinds', () => {
  it('are checked by name', () => {
    checks.boolean('a', 'true');
    checks.string('b', '');
    checks.string('c', 7);
    checks.oneOf('d', 'x', [undefined, 'y', 1]);
    checks.boolean('right', false);
    checks.string('right', 'text');
    checks.oneOf('right', undefined, [undefined, 'y']);
    expect(problems().map(({ path, rule }) => `${path} ${rule}`)).toEqual([
      'a must be true or false',
      'b must be a text that is not empty',
      'c must be a text that is not empty',
      'd must be one of "y", 1',
    ]);
  });
});

describe('unknown keys', () => {
  it.each([
    ['acquireTimeoutMS', 'Did you mean "acquireTimeoutMs"?'],
    ['maxx', 'Did you mean "max"?'],
    ['MAX', 'Did you mean "max"?'],
    ['mim', 'Did you mean "min"?'],
    ['connectionLimit', 'Known here: max, min, acquireTimeoutMs.'],
  ])('%s: %s', (key, mend) => {
    checks.knownKeys('pool', { [key]: 1 }, ['max', 'min', 'acquireTimeoutMs']);
    expect(problems()).toEqual([
      { path: `pool.${key}`, value: '1', rule: 'is not an option', mend },
    ]);
  });

  it('at the top have no path before them', () => {
    checks.knownKeys('', { pol: 1 }, ['pool']);
    expect(problems()[0]?.path).toBe('pol');
  });

  it.each<[string, unknown]>([
    ['pasword', 'hunter2'],
    ['DB_PASWORD', 'hunter2'],
    ['connectionString', 'postgresql://me:hunter2@db/d'],
    ['uri', 'postgresql://me:hunter2@db/d'],
    ['connection', { user: 'me', pw: 'hunter2' }],
    ['pass', ['hunter2']],
  ])('never show what may be a secret under a wrong name: %s', (key, value) => {
    checks.knownKeys('', { [key]: value }, ['url', 'pool']);
    expect(problems()[0]?.value).toBe('(hidden)');
  });
});

describe('slices', () => {
  const defaults = { max: 20, min: 2 };

  it.each<[string, unknown, object]>([
    ['nothing', undefined, { max: 20, min: 2 }],
    ['a part', { max: 5 }, { max: 5, min: 2 }],
    ['undefined as the default', { max: undefined, min: 1 }, { max: 20, min: 1 }],
    ['an empty object', {}, { max: 20, min: 2 }],
  ])('are laid over their defaults: %s', (_, given, whole) => {
    expect(checks.slice('pool', given, defaults)).toEqual(whole);
    expect(problems()).toEqual([]);
  });

  it.each([null, 3, 'text', [1], true])('must be objects, and %j is none', (given) => {
    expect(checks.slice('pool', given, defaults)).toEqual(defaults);
    expect(problems()).toMatchObject([{ path: 'pool', rule: 'must be an object of options' }]);
  });

  it('keep null, which is a value', () => {
    expect(checks.slice('pool', { max: null }, defaults)).toEqual({ max: null, min: 2 });
  });

  it('never change their defaults', () => {
    Object.assign(checks.slice('pool', undefined, defaults), { max: 99 });
    expect(defaults.max).toBe(20);
  });
});

describe('what is shown of a value', () => {
  it.each<[string, unknown, string]>([
    ['pool.max', 3, '3'],
    ['pool.max', 3n, '3'],
    ['pool.max', Number.NaN, 'NaN'],
    ['pool.max', '3', '"3"'],
    ['pool.max', undefined, 'undefined'],
    ['pool.max', null, 'null'],
    ['pool', { max: 3 }, '{"max":3}'],
    ['guard', () => 1, '[function]'],
    ['name', Symbol('s'), 'Symbol(s)'],
    ['url', 'postgresql://me:hunter2@db/d', '(hidden)'],
    ['url', undefined, 'undefined'],
    ['hosts[1].url', 'hunter2', '(hidden)'],
    ['replicas[0]', 'hunter2', '(hidden)'],
    ['hosts', 'hunter2', '(hidden)'],
    ['tls.key', 'PEM', '(hidden)'],
    ['DB_PASSWORD', 'hunter2', '(hidden)'],
    ['endpoints.token', 'hunter2', '(hidden)'],
    ['endpoints.token', true, 'true'],
    ['pool', 'postgresql://me:hunter2@db/d', '"postgresql://(hidden)@db/d"'],
    ['pool', { a: { password: 'hunter2' }, max: 1 }, '{"a":{"password":"(hidden)"},"max":1}'],
    ['pool', { at: 'postgres://me:hun/ter@2@db' }, '{"at":"postgres://(hidden)@db"}'],
  ])('%s %p', (path, value, text) => {
    expect(shown(path, value)).toBe(text);
  });

  it('is cut when it is long, and never fails', () => {
    expect(shown('name', 'x'.repeat(500))).toHaveLength(80);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(shown('pool', circular)).toBe('[object Object]');
    expect(shown('pool', { n: 1n })).toBe('[object Object]');
  });
});

describe('the error', () => {
  it('is none when nothing is wrong', () => {
    expect(() => checks.throwIfAny()).not.toThrow();
  });

  it('lists everything, in the order in which it was found', () => {
    checks.count('pool.max', -1, { min: 1 });
    checks.oneOf('tls.mode', 'prefer', ['disable', 'require']);
    expect(() => checks.throwIfAny()).toThrow(
      new ConfigurationError([
        {
          path: 'pool.max',
          value: '-1',
          rule: 'must be a whole number >= 1',
          mend: 'Give pool.max such a number.',
        },
        {
          path: 'tls.mode',
          value: '"prefer"',
          rule: 'must be one of "disable", "require"',
          mend: 'Choose one of them for tls.mode.',
        },
      ]),
    );
    expect(() => checks.throwIfAny()).toThrow(/^2 options are wrong:\n {2}- pool\.max = -1: /);
  });
});
