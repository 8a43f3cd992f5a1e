// Who opened last closes first; a step that fails stops no other.
import { describe, expect, it } from '@jest/globals';
import { Closers } from './closers.js';

describe('Closers', () => {
  it('runs the steps in reverse, one after the other, each once', async () => {
    const closers = new Closers();
    const seen: string[] = [];
    closers.add(() => void seen.push('first opened'));
    closers.add(async () => {
      seen.push('second begins');
      await Promise.resolve();
      seen.push('second ends');
    });
    closers.add(() => void seen.push('last opened'));
    await Promise.all([closers.close(), closers.close()]);
    await closers.close();
    expect(seen).toEqual(['last opened', 'second begins', 'second ends', 'first opened']);
  });

  it('gives all callers one promise', () => {
    const closers = new Closers();
    expect(closers.close()).toBe(closers.close());
  });

  it('runs all steps when some fail, and tells the first failure', async () => {
    const closers = new Closers();
    const seen: string[] = [];
    closers.add(() => void seen.push('a'));
    closers.add(() => {
      throw new Error('thrown');
    });
    closers.add(() => Promise.reject(new Error('rejected')));
    closers.add(() => void seen.push('b'));
    await expect(closers.close()).rejects.toThrow('rejected');
    expect(seen).toEqual(['b', 'a']);
  });

  it('takes a step that is added while it closes', async () => {
    const closers = new Closers();
    const seen: string[] = [];
    closers.add(() => void seen.push('early'));
    closers.add(() => closers.add(() => void seen.push('late')));
    await closers.close();
    expect(seen).toEqual(['late', 'early']);
  });

  it('has nothing to do when nothing was opened', async () => {
    await expect(new Closers().close()).resolves.toBeUndefined();
  });
});
