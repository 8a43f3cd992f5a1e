// Tokens: what goes in comes out, and nothing else is taken for one.
import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../kernel/errors.js';
import { both } from '../query/position.js';
import type { Freshness } from '../query/position.js';
import { formatToken, MAX_TOKEN_LENGTH, parseToken, readToken } from './consistency-token.js';

const at = (lsn: bigint, timeline = 1, systemId = '7312345678901234567'): Freshness => ({
  systemId,
  timeline,
  lsn,
});

it.each<[string, Freshness | undefined]>([
  ['a position', at(0x16_b374_d848n, 3)],
  ['the last one there can be', at(0xffff_ffff_ffff_ffffn, 0xffff_ffff)],
  ['a cluster whose identifier the server shows as negative', at(1n, 1, '-9223372036854775807')],
  ['the primary', 'primary'],
  ['nothing', undefined],
])('%s comes out as it went in, fit for a cookie', (_, freshness) => {
  const token = formatToken(freshness);
  expect(parseToken(token)).toEqual(freshness);
  expect(token).toMatch(/^[a-z0-9.]+$/);
  expect(token.length).toBeLessThanOrEqual(MAX_TOKEN_LENGTH);
});

const token = formatToken(at(500n));
it.each<[string, unknown]>([
  ['the empty text', ''],
  ['a token that was cut off', token.slice(0, -1)],
  ['a token with something behind', `${token}0`],
  ['a token of another version', token.replace('w1', 'w2')],
  ['one in capitals', token.replaceAll('a', 'A').toUpperCase()],
  ['a line break', `${token}\n`],
  ['no text', 42],
  ['nothing', null],
  ['a long text', 'x'.repeat(1_000_000)],
])('%s is refused', (_, text) => {
  expect(readToken(text)).toEqual({ isToken: false });
  expect(() => parseToken(text)).toThrow(UsageError);
  expect(() => parseToken(text)).toThrow(/^.{1,200}$/);
});

describe('two requirements', () => {
  it.each<[string, Freshness | undefined, Freshness | undefined, Freshness | undefined]>([
    ['none', undefined, undefined, undefined],
    ['one', undefined, at(5n), at(5n)],
    ['the further position', at(9n), at(5n), at(9n)],
    ['the primary, when one of them asks for it', at(9n), 'primary', 'primary'],
    ['the primary, when they stand on two timelines', at(9n), at(5n, 2), 'primary'],
    ['the primary, when they are of two clusters', at(9n), at(5n, 1, '8'), 'primary'],
  ])('are met by %s', (_, a, b, met) => {
    expect(both(a, b)).toEqual(met);
    expect(both(b, a)).toEqual(met);
  });
});
