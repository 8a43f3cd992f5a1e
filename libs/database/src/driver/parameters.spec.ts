// Values of statements: what is sent, and what is refused before a byte is.
import { describe, expect, it } from '@jest/globals';
import { ParameterError } from '../kernel/errors.js';
import { prepareParameters } from './parameters.js';

function refusal(values: readonly unknown[]): ParameterError {
  try {
    prepareParameters(values);
  } catch (error) {
    expect(error).toBeInstanceOf(ParameterError);
    return error as ParameterError;
  }
  throw new Error('it was not refused');
}

const circular: Record<string, unknown> = {};
circular['self'] = circular;

describe('values', () => {
  it.each<[string, unknown, unknown]>([
    ['null', null, null],
    ['undefined as null', undefined, null],
    ['a text', "o'clock", "o'clock"],
    ['an empty text', '', ''],
    ['a number', 1.5, '1.5'],
    ['NaN', Number.NaN, 'NaN'],
    ['an infinity', Number.POSITIVE_INFINITY, 'Infinity'],
    ['a bigint', 9_007_199_254_740_993n, '9007199254740993'],
    ['a boolean', true, 'true'],
    ['an array', [1, null, 'a"b'], '{"1",NULL,"a\\"b"}'],
    ['an empty array', [], '{}'],
    ['an array of arrays', [[1], [2]], '{{"1"},{"2"}}'],
    ['an object as JSON', { a: [1] }, '{"a":[1]}'],
    ['an object that knows how it is sent', { toPostgres: () => '(1,2)' }, '(1,2)'],
  ])('%s', (_, value, sent) => {
    expect(prepareParameters([value])).toEqual([sent]);
  });

  it('bytes stay bytes', () => {
    expect(prepareParameters([Buffer.from('x')])).toEqual([Buffer.from('x')]);
    const [view] = prepareParameters([new Uint8Array([1, 2])]) as [Buffer];
    expect([...view]).toEqual([1, 2]);
  });

  it('a date is sent with its offset', () => {
    const [text] = prepareParameters([new Date('2020-02-29T12:00:00.123Z')]) as [string];
    expect(text).toMatch(/^2020-0[23]-.*\.123[+-]\d\d:\d\d$/);
    expect(new Date(text).getTime()).toBe(Date.UTC(2020, 1, 29, 12, 0, 0, 123));
  });

  it('none are fine', () => {
    expect(prepareParameters([])).toEqual([]);
  });

  it('as many as the protocol counts are fine', () => {
    expect(prepareParameters(new Array(65_535).fill(1))).toHaveLength(65_535);
  });

  it('the given list is left as it is', () => {
    const values = Object.freeze([1, new Date(0)]);
    prepareParameters(values);
    expect(values).toEqual([1, new Date(0)]);
  });
});

describe('what cannot be sent', () => {
  it.each<[string, unknown, RegExp]>([
    ['a function', () => 1, /\$3 is a function/],
    ['a symbol', Symbol('s'), /\$3 is a symbol/],
    ['an invalid date', new Date(Number.NaN), /\$3 is an invalid Date/],
    ['a circular object', circular, /\$3 cannot be serialised/],
    ['a bigint inside an object', { n: 1n }, /\$3 cannot be serialised .*bigint/i],
    [
      'an object whose toJSON throws',
      {
        toJSON: () => {
          throw new Error('mine');
        },
      },
      /\$3 cannot be serialised \(mine\)/,
    ],
  ])('%s is named by its position', (_, value, message) => {
    const error = refusal([1, 2, value, 4]);
    expect(error).toMatchObject({ position: 3, safeToRetry: true, outage: false });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  it('the first bad one is told', () => {
    expect(refusal([1, Symbol('a'), Symbol('b')]).position).toBe(2);
  });

  it('more than the protocol counts are told with the ways around it', () => {
    expect(refusal(new Array(65_536).fill(1)).message).toMatch(/ANY\(\$1\).*copyFrom/);
  });

  it.each([['a text'], [{ 0: 1 }], [null], [7], [new Set([1])]])(
    'a list that is none is told: %j',
    (values) => {
      expect(refusal(values as never).message).toMatch(/must be an array/);
    },
  );
});
