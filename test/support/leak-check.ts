// After each test: nothing that it opened may be left on the server, in a pool, or in this process.
import { afterEach, beforeEach } from '@jest/globals';
import { sql } from './sql.js';
import { waitFor } from './wait-for.js';

/** The figures of a pool that the check looks at. */
export interface PoolFigures {
  /** Connections open, leased or idle. */
  readonly total: number;
  readonly leased: number;
  readonly waiting: number;
}

/** What to look at. */
export interface LeakCheckOptions {
  /**
   * The suite's database: no session may be left on it beyond those from before the test and the
   * idle ones of `pools`, and none may be busy or in a transaction.
   */
  readonly database?: { readonly url: string };
  /** Pools that outlive the test: they may keep idle connections, but no lease and no waiter. */
  readonly pools?: () => Iterable<PoolFigures>;
  /** Timers, sockets and other handles of this process that keep it alive. @default true */
  readonly handles?: boolean;
  /** Time for things to end by themselves, in ms. @default 3000 */
  readonly patienceMs?: number;
}

interface Session {
  readonly pid: number;
  readonly application_name: string;
  readonly state: string | null;
  readonly query: string;
}

interface Baseline {
  readonly sessions: number;
  readonly total: number;
  readonly handles: ReadonlyMap<string, number>;
}

/**
 * Fails each test of the surrounding suite that leaves something behind. Hooks run in the order of
 * their definition: call this after the suite's own `afterEach`.
 */
export function useLeakCheck(options: LeakCheckOptions = {}): void {
  let check: LeakCheck;
  beforeEach(async () => {
    check = await LeakCheck.begin(options);
  });
  afterEach(() => check.end());
}

/** One look before, and one after. */
export class LeakCheck {
  private constructor(
    private readonly options: LeakCheckOptions,
    private readonly baseline: Baseline,
  ) {}

  /** Remembers what is there now. */
  static async begin(options: LeakCheckOptions): Promise<LeakCheck> {
    const { sessions, total } = await look(options);
    const baseline = { sessions: sessions.length, total, handles: countHandles() };
    return new LeakCheck(options, baseline);
  }

  /** @throws naming everything that has come since and does not go away. */
  async end(): Promise<void> {
    let leaks: string[] = [];
    const isClean = async (): Promise<boolean> => {
      leaks = await findLeaks(this.options, this.baseline);
      return leaks.length === 0;
    };
    await waitFor(isClean, {
      describe: 'the test to leave nothing behind',
      timeoutMs: this.options.patienceMs ?? 3_000,
      intervalMs: 50,
    }).catch((error: unknown) => {
      if (leaks.length === 0) throw error;
      throw new Error(`The test left behind:\n${leaks.map((leak) => `  - ${leak}`).join('\n')}`);
    });
  }
}

async function look({ database, pools }: LeakCheckOptions) {
  const figures = [...(pools?.() ?? [])];
  const sessions = database === undefined ? [] : await findSessions(database.url);
  return { figures, sessions, total: figures.reduce((sum, { total }) => sum + total, 0) };
}

function findSessions(url: string): Promise<Session[]> {
  return sql<Session & Record<string, unknown>>(
    url,
    `select pid, application_name, state, left(query, 80) as query from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
}

async function findLeaks(options: LeakCheckOptions, before: Baseline): Promise<string[]> {
  const { figures, sessions, total } = await look(options);
  const leaks = figures
    .filter(({ leased, waiting }) => leased > 0 || waiting > 0)
    .map(({ leased, waiting }) => `a pool with ${leased} leased, ${waiting} waiting`);
  const tooMany = sessions.length > before.sessions + Math.max(0, total - before.total);
  for (const { pid, application_name: name, state, query } of sessions) {
    if (tooMany || state !== 'idle') leaks.push(`session ${pid} (${name}, ${state}): ${query}`);
  }
  if (options.handles !== false) leaks.push(...newHandles(before.handles, total - before.total));
  return leaks;
}

/** Ref'ed handles by kind; a timer that keeps nothing alive is not among them. */
function countHandles(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

// What ends by itself within a turn of the event loop, and what Jest itself comes and goes with.
const PASSING = new Set([
  'Immediate',
  'CloseReq',
  'FSReqCallback',
  'FSReqPromise',
  'FileHandle',
  'FILEHANDLE',
  'FILEHANDLECLOSEREQ',
]);

function newHandles(before: ReadonlyMap<string, number>, newConnections: number): string[] {
  return [...countHandles()].flatMap(([kind, count]) => {
    if (PASSING.has(kind)) return [];
    const sockets = kind === 'TCPSocketWrap' ? Math.max(0, newConnections) : 0;
    const extra = count - (before.get(kind) ?? 0) - sockets;
    return extra > 0 ? [`${extra} more ${kind} than before the test`] : [];
  });
}
