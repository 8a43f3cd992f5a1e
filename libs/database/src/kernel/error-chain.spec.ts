import { describe, expect, it } from '@jest/globals';
import { findDatabaseError } from './error-chain.js';
import { ConnectionError, InDoubtError } from './errors.js';
import { UniqueViolationError } from './query-errors.js';

const ours = new UniqueViolationError('exists');

describe('findDatabaseError', () => {
  it.each([
    ['itself', ours],
    ['below the wrapper of TypeORM', Object.assign(new Error('failed'), { driverError: ours })],
    ['below the wrapper of Drizzle', new Error('failed', { cause: ours })],
    ['below several', new Error('a', { cause: new Error('b', { cause: ours }) })],
  ])('finds it as or %s', (_where, error) => {
    expect(findDatabaseError(error)).toBe(ours);
  });

  it('finds the outermost one: its cause is another matter', () => {
    const outer = new InDoubtError('unknown', { cause: new ConnectionError('lost') });
    expect(findDatabaseError(new Error('failed', { cause: outer }))).toBe(outer);
  });

  it.each([[undefined], ['text'], [new Error('other')], [{ cause: ours }]])(
    'finds none in %p',
    (error) => {
      expect(findDatabaseError(error)).toBeUndefined();
    },
  );

  it('ends in a circle', () => {
    const circle = new Error('circle');
    circle.cause = circle;
    expect(findDatabaseError(circle)).toBeUndefined();
  });
});
