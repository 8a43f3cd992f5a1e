// The scope follows the asynchronous flow of a callback, and stays inside it.
import { describe, expect, it } from '@jest/globals';
import { Ambient } from './ambient.js';
import type { Scope } from './scope.js';

const [outer, inner] = [{ kind: 'transaction' }, { kind: 'savepoint' }] as unknown as [
  Scope,
  Scope,
];

describe('Ambient', () => {
  it('has no scope outside of any callback', () => {
    expect(new Ambient().scope).toBeUndefined();
  });

  it('carries the scope through awaits, timers and parallel flows', async () => {
    const ambient = new Ambient();
    const seen: unknown[] = [];
    const look = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(ambient.scope);
    };
    await Promise.all([
      ambient.run(outer, () => Promise.all([look(), look()])),
      ambient.run(inner, look),
      look(),
    ]);
    expect(new Set(seen)).toEqual(new Set([outer, inner, undefined]));
    expect(seen.filter((scope) => scope === outer)).toHaveLength(2);
  });

  it('nests, and runs outside of any scope on demand', async () => {
    const ambient = new Ambient();
    await ambient.run(outer, async () => {
      await ambient.run(inner, async () => expect(ambient.scope).toBe(inner));
      expect(ambient.run(undefined, () => ambient.scope)).toBeUndefined();
      expect(ambient.scope).toBe(outer);
    });
    expect(ambient.scope).toBeUndefined();
  });

  it('keeps instances apart', () => {
    const [one, other] = [new Ambient(), new Ambient()];
    one.run(outer, () => expect(other.scope).toBeUndefined());
  });

  it('lets a call of another library move its scope, for the code inside of that call', async () => {
    const ambient = new Ambient();
    await ambient.run(outer, async () => {
      await ambient.follow(async () => {
        ambient.move(inner);
        await Promise.resolve();
        expect(ambient.scope).toBe(inner);
      });
      expect(ambient.scope).toBe(outer);
      ambient.move(inner);
      expect(ambient.scope).toBe(outer);
    });
  });

  it('has nothing to follow where there is no scope', () => {
    const ambient = new Ambient();
    ambient.follow(() => {
      ambient.move(inner);
      expect(ambient.scope).toBeUndefined();
    });
  });

  it('is over for all code once it is disposed of', async () => {
    const ambient = new Ambient();
    await ambient.run(outer, async () => {
      ambient.dispose();
      await Promise.resolve();
      expect(ambient.scope).toBeUndefined();
    });
  });
});
