// Positions in the write-ahead log as numbers.
import { expect, it } from '@jest/globals';
import { endOfRecords, parseLsn } from './lsn.js';

it.each([
  ['0/0', 0n],
  ['0/1', 1n],
  ['0/FFFFFFFF', 0xffff_ffffn],
  ['1/0', 0x1_0000_0000n],
  ['16/B374D848', 0x16_b374_d848n],
  ['FFFFFFFF/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
])('%s', (text, lsn) => {
  expect(parseLsn(text)).toBe(lsn);
});

it('orders positions as the server does', () => {
  const texts = ['0/9', '0/10', '0/FF', '1/0', '9/FFFFFFFF', 'A/0', '10/0'];
  const lsns = texts.map(parseLsn);
  expect(lsns.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(lsns);
});

it.each([
  ['is what was inserted', 0x1100n, 0x1200n, 0x1200n],
  ['is what was written when that is further', 0x1200n, 0x1100n, 0x1200n],
  ['is the end of a page when only the header of the next one follows', 0x4000n, 0x4018n, 0x4000n],
  ['counts a record that follows the header', 0x4000n, 0x4038n, 0x4038n],
  ['counts a short record in the middle of a page', 0x4100n, 0x4118n, 0x4118n],
])('the end of all records %s', (_, written, inserted, end) => {
  expect(endOfRecords(written, inserted)).toBe(end);
});
