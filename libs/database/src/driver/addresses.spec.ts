// Names with several addresses: each is tried, in its share of the time, and all are told when none will do.
import { expect, it } from '@jest/globals';
import { ConnectionError } from '../kernel/errors.js';
import { resolveHost, tryEach } from './addresses.js';

const refused = (transient = true): ConnectionError =>
  new ConnectionError('refused', { transient, safeToRetry: true });
const none = (): Promise<never> => Promise.reject(new Error('asked in vain'));

it.each(['10.0.0.1', '::1', '/var/run/postgresql'])('%s stands for itself', async (host) => {
  expect(await resolveHost(host, 100, none)).toEqual([host]);
});

it('a name is looked up each time', async () => {
  const answers = [['10.0.0.1'], ['10.0.0.2']];
  const lookup = async (): Promise<readonly string[]> => answers.shift() ?? [];
  expect(await resolveHost('db', 100, lookup)).toEqual(['10.0.0.1']);
  expect(await resolveHost('db', 100, lookup)).toEqual(['10.0.0.2']);
  await expect(resolveHost('db', 100, lookup)).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

it('a name server that says nothing is given up in time', async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  await expect(resolveHost('db', 20, never)).rejects.toMatchObject({ code: 'EAI_AGAIN' });
});

it('the next address is tried when one fails, with what is left of the time', async () => {
  const tried: Array<readonly [string, number]> = [];
  const open = async (address: string, timeoutMs: number): Promise<string> => {
    tried.push([address, timeoutMs]);
    if (address !== 'c') throw refused();
    return address;
  };
  expect(await tryEach(['a', 'b', 'c', 'd'], 'db', 1_000, open)).toBe('c');
  expect(tried.map(([address]) => address)).toEqual(['a', 'b', 'c']);
  expect(tried[0]?.[1]).toBeCloseTo(250, -1);
  expect(tried[2]?.[1]).toBeCloseTo(500, -1);
});

it('all addresses are told when none takes the connection', async () => {
  const failing = tryEach(['10.0.0.1', '10.0.0.2'], 'db:5432/d', 100, () =>
    Promise.reject(refused()),
  );
  await expect(failing).rejects.toMatchObject({ transient: true, safeToRetry: true, outage: true });
  await expect(failing).rejects.toThrow(/db:5432\/d .*10\.0\.0\.1: refused 10\.0\.0\.2: refused/);
});

it('a single one fails with its own error, and an answer that no other would change at once', async () => {
  const error = refused();
  await expect(tryEach(['a'], 'db', 100, () => Promise.reject(error))).rejects.toBe(error);
  const wrong = refused(false);
  const tried: string[] = [];
  const open = (address: string): Promise<never> => {
    tried.push(address);
    return Promise.reject(wrong);
  };
  await expect(tryEach(['a', 'b'], 'db', 100, open)).rejects.toBe(wrong);
  expect(tried).toEqual(['a']);
});
