import { describe, expect, it } from '@jest/globals';
import { isDay } from './is-day.decorator.js';

describe('isDay', () => {
  it.each(['2008-09-15', '2008-02-29', '1900-01-01', '2199-12-31'])('%s is one', (day) => {
    expect(isDay(day)).toBe(true);
  });

  it.each([
    '2009-02-29',
    '2008-13-01',
    '2008-00-10',
    '2008-9-15',
    '1899-12-31',
    '2200-01-01',
    '2008-09-15T00:00:00Z',
    '',
    20080915,
    null,
    undefined,
  ])('%p is none', (value) => {
    expect(isDay(value)).toBe(false);
  });
});
