// Lets all handles of this process on one data directory share one server, which the last one ends.
import type { LaunchedServer } from './launch.js';

interface Entry {
  readonly launching: Promise<LaunchedServer>;
  launched: LaunchedServer | undefined;
  ending: Promise<void> | undefined;
  holds: number;
}

/** One user's hold on a server. */
export interface ServerHold extends LaunchedServer {
  /** Ends the server when this was the last hold. Call it once. */
  release(): Promise<void>;
}

const entries = new Map<string, Entry>();

/** Joins this process's server under `key`, or launches it. Any number of calls may run at once. */
export async function holdServer(
  key: string,
  launch: () => Promise<LaunchedServer>,
): Promise<ServerHold> {
  await settleEnding(key);
  // Nothing is awaited from here to the entry: two calls at once must not launch two.
  const entry = findEntry(key) ?? addEntry(key, launch());
  entry.holds += 1;
  try {
    const launched = await entry.launching;
    return { ...launched, release: () => release(key, entry, launched) };
  } catch (error) {
    forget(key, entry);
    throw error;
  }
}

async function settleEnding(key: string): Promise<void> {
  for (let entry = entries.get(key); entry?.ending !== undefined; entry = entries.get(key)) {
    await entry.ending.catch(() => undefined);
  }
}

/** A server that ended by itself is no entry any more. */
function findEntry(key: string): Entry | undefined {
  const entry = entries.get(key);
  return entry?.launched?.server.isRunning() === false ? undefined : entry;
}

function addEntry(key: string, launching: Promise<LaunchedServer>): Entry {
  const entry: Entry = { launching, launched: undefined, ending: undefined, holds: 0 };
  entries.set(key, entry);
  launching.then(
    (launched) => (entry.launched = launched),
    () => undefined,
  );
  return entry;
}

async function release(key: string, entry: Entry, { server }: LaunchedServer): Promise<void> {
  entry.holds -= 1;
  if (entry.holds > 0) return;
  entry.ending = server.stop().finally(() => forget(key, entry));
  await entry.ending;
}

function forget(key: string, entry: Entry): void {
  if (entries.get(key) === entry) entries.delete(key);
}
