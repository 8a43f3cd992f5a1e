// Which texts are prepared, how many, and what has to be closed.
import { describe, expect, it } from '@jest/globals';
import { mayBeSeveral, StatementCache } from './statement-cache.js';

const twice = (cache: StatementCache, text: string): ReturnType<StatementCache['find']> => {
  cache.find(text);
  return cache.find(text);
};

describe('StatementCache', () => {
  it('prepares a text at its second use, under a name of its own', () => {
    const cache = new StatementCache(10);
    expect(cache.find('select 1')).toBeUndefined();
    const first = cache.find('select 1');
    expect(first?.name).toMatch(/^nestjs_database_\d+$/);
    expect(cache.find('select 1')).toBe(first);
    expect(twice(cache, 'select 2')?.name).not.toBe(first?.name);
  });

  it.each([
    'select 1',
    '  SELECT 1;',
    'with a as (select 1) table a',
    'insert into t values (1)',
    'update t set a = 1',
    'delete from t',
    'merge into t using s on true when matched then do nothing',
    'values (1)',
    'begin isolation level serializable',
    'START TRANSACTION',
    'COMMIT',
    'set local statement_timeout = 30000',
  ])('holds "%s" for worth it', (text) => {
    expect(twice(new StatementCache(10), text)).toBeDefined();
  });

  it.each([
    'create table t (a int)',
    'set search_path = a',
    'select 1; select 2',
    'vacuum',
    'listen a',
    '',
    `select '${'x'.repeat(20_000)}'`,
  ])('does not hold a text for worth it: %#', (text) => {
    expect(twice(new StatementCache(10), text)).toBeUndefined();
  });

  it('gives up the least recently used one, and closes it where the server has it', () => {
    const cache = new StatementCache(2);
    const [a, b] = [twice(cache, 'select 1'), twice(cache, 'select 2')];
    for (const statement of [a, b]) if (statement !== undefined) statement.isSent = true;
    cache.find('select 1');
    twice(cache, 'select 3');
    expect(cache.takeClosing()).toEqual([b?.name]);
    expect(cache.takeClosing()).toEqual([]);
    expect(cache.find('select 1')).toBe(a);
    // Never sent: there is nothing to close.
    for (let use = 0; use < 256; use++) cache.find('select 1');
    twice(cache, 'select 4');
    expect(cache.takeClosing()).toEqual([]);
    expect(cache.prepared).toBe(2);
  });

  it('does not give up one for the next, when there are more texts in turn than are kept', () => {
    const cache = new StatementCache(10);
    let closed = 0;
    for (let use = 0; use < 6_400; use++) {
      const statement = cache.find(`select ${use % 100}`);
      if (statement !== undefined) statement.isSent = true;
      closed += cache.takeClosing().length;
    }
    expect(closed).toBeGreaterThan(10);
    expect(closed).toBeLessThanOrEqual(100);
  });

  it('remembers a bounded number of texts that were used once', () => {
    const cache = new StatementCache(10);
    for (let n = 0; n < 10_000; n++) expect(cache.find(`select ${n}`)).toBeUndefined();
    expect(cache.prepared).toBe(0);
  });

  it('remembers a bounded number of characters', () => {
    const cache = new StatementCache(10);
    const long = (n: number): string => `select ${n} -- ${'x'.repeat(10_000)}`;
    cache.find(long(0));
    for (let n = 1; n < 99; n++) cache.find(long(n));
    expect(cache.find(long(0))).toBeDefined();
    for (let n = 100; n < 300; n++) cache.find(long(n));
    // Of the first ones nobody knows any more.
    expect(cache.find(long(100))).toBeUndefined();
  });

  it('keeps what the caller names for as long as the session', () => {
    const cache = new StatementCache(0);
    const mine = cache.named('mine', 'select 1');
    expect(cache.named('mine', 'select 1')).toBe(mine);
    expect(() => cache.named('mine', 'select 2')).toThrow(/'mine'/);
    expect(twice(cache, 'select 1')).toBeUndefined();
    cache.clear();
    expect(cache.named('mine', 'select 2').text).toBe('select 2');
  });

  it('forgets a statement that the server has lost, and takes another name for its text', () => {
    const cache = new StatementCache(10);
    const lost = twice(cache, 'select 1');
    if (lost === undefined) throw new Error('It should have been prepared.');
    cache.forget(lost);
    expect(cache.takeClosing()).toEqual([lost.name]);
    expect(twice(cache, 'select 1')?.name).not.toBe(lost.name);
  });
});

describe('mayBeSeveral', () => {
  it.each<[string, boolean]>([
    ['select 1', false],
    ['select 1 ; \n', false],
    ['select 1; select 2', true],
    // A literal costs the preparation, and nothing else.
    [`select 'a;b'`, true],
  ])('%s: %s', (text, several) => {
    expect(mayBeSeveral(text)).toBe(several);
  });
});
