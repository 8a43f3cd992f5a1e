// The addresses behind a host name, asked anew for each connection: a failover may have moved the name.
import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { systemClock } from '../kernel/clock.js';
import { ConnectionError } from '../kernel/errors.js';

/** Finds the addresses of a name, in the order in which they are tried. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** The system's own: /etc/hosts and DNS. */
export const systemLookup: Lookup = async (host) => {
  const found = await dnsLookup(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
};

/**
 * Addresses of a host. An address and the folder of a socket stand for themselves.
 * @throws Error with the code of the name server, or ETIMEDOUT.
 */
export async function resolveHost(
  host: string,
  timeoutMs: number,
  lookup: Lookup,
): Promise<readonly string[]> {
  if (host.startsWith('/') || isIP(host) !== 0) return [host];
  const found = await within(timeoutMs, lookup(host));
  if (found.length > 0) return found;
  throw Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' });
}

function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      const error = new Error(`the name server gave no answer within ${timeoutMs} ms`);
      reject(Object.assign(error, { code: 'EAI_AGAIN' }));
    };
    const timer = systemClock.schedule(giveUp, timeoutMs, { keepsProcess: true });
    void work.finally(() => timer.cancel()).then(resolve, reject);
  });
}

/**
 * Tries one address after the other until one of them takes the connection. Each has an equal share of what
 * is left of the time, so that a dead one in front leaves some for those behind it.
 * @throws ConnectionError with all addresses and what became of each; at once for an answer that no other
 * address would change, such as a wrong password.
 */
export async function tryEach<T>(
  addresses: readonly string[],
  label: string,
  timeoutMs: number,
  open: (address: string, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const endsAtMs = systemClock.monotonicMs() + timeoutMs;
  const failures: ConnectionError[] = [];
  for (const [index, address] of addresses.entries()) {
    const leftMs = endsAtMs - systemClock.monotonicMs();
    try {
      return await open(address, Math.max(1, leftMs / (addresses.length - index)));
    } catch (error) {
      if (!(error instanceof ConnectionError) || !error.transient) throw error;
      failures.push(error);
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only !== undefined) throw only;
  const told = failures.map(({ message }, index) => `${addresses[index]}: ${message}`).join(' ');
  throw new ConnectionError(`None of the addresses of ${label} took the connection. ${told}`, {
    cause: failures.at(-1),
    sqlState: failures.at(-1)?.sqlState,
    safeToRetry: true,
    outage: true,
  });
}
