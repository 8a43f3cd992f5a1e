// The house's vocabulary: every event and its payload, as plain facts, a sentence each.

import type { RefusalReason } from './errors.js';

/** How a query ended. */
export type QueryOutcome = 'ok' | 'error' | 'timeout' | 'aborted' | 'refused';

/** Everything worth knowing about one finished query. Emitted exactly once per query. */
export interface QueryRecord {
  /** Name of the instance of the module. */
  readonly instance: string;
  /** Name of the node that answered last; undefined when none was reached. */
  readonly node: string | undefined;
  readonly intent: 'read' | 'write';
  readonly text: string;
  /** True when it ran on the connection of a transaction or session. */
  readonly pinned: boolean;
  /** From the call to its end, in ms. */
  readonly durationMs: number;
  /** Time in the pool's queue, all attempts together, in ms. */
  readonly waitMs: number;
  /** Time on the wire and in the server, last attempt, in ms. */
  readonly serverMs: number;
  readonly attempts: number;
  readonly rowCount: number;
  readonly outcome: QueryOutcome;
  readonly errorCode: string | undefined;
  readonly sqlState: string | undefined;
  /** Wall time of the end, in ms since 1970. */
  readonly endedAtMs: number;
}

/** Facts about a borrowed connection. */
export interface LeaseFacts {
  readonly node: string;
  readonly backendPid: number;
  readonly heldMs: number;
  /** The last statement that ran on it. */
  readonly lastText: string | undefined;
  /** Where it was borrowed. */
  readonly borrowedAt: string | undefined;
}

/** Figures of a pool at a turn of its life. */
export interface PoolEventFacts {
  readonly node: string;
  readonly leased: number;
  readonly max: number;
  readonly waiting: number;
}

/** Every event of the library. */
export interface EventMap {
  /** A query has ended. */
  'query:done': QueryRecord;
  /** A connection was opened. */
  'connection:opened': {
    readonly node: string;
    readonly backendPid: number;
    readonly tookMs: number;
  };
  /** A connection could not be opened. */
  'connection:failed': { readonly node: string; readonly error: Error };
  /** A connection was closed, by us or by the other side. */
  'connection:closed': {
    readonly node: string;
    readonly backendPid: number;
    readonly reason: string;
  };
  /**
   * A statement that was to be stopped may run on at the server: its connection was given up. `not taken up`: the
   * server did not close the line of the CancelRequest in time; `no effect`: the statement did not end after it.
   */
  'cancel:failed': {
    readonly node: string;
    readonly backendPid: number;
    readonly text: string;
    readonly because: 'not taken up' | 'no effect';
  };
  /** The first connection to a node stands. */
  'node:connected': { readonly node: string; readonly role: string };
  /** A node that was reachable no longer is. */
  'node:disconnected': { readonly node: string; readonly error: Error };
  /** A node came back. */
  'node:reconnected': { readonly node: string; readonly downMs: number };
  /** A try to reach a lost node failed. */
  'node:reconnect-failed': {
    readonly node: string;
    readonly attempt: number;
    readonly error: Error;
  };
  /** A node changed its role. */
  'node:role-changed': { readonly node: string; readonly from: string; readonly to: string };
  /** Writes go to another node from now on. */
  'primary:changed': { readonly from: string | undefined; readonly to: string };
  /** Two servers say they are primary: `refused` gets nothing, and its connections are cut. */
  'primary:conflict': {
    readonly primary: string;
    readonly refused: string;
    /** `older timeline`: it was the primary before a promotion; `same timeline`: nobody can tell. */
    readonly because: 'older timeline' | 'same timeline';
  };
  /** A server belongs to another cluster, by its system identifier: it gets nothing. */
  'node:foreign': {
    readonly node: string;
    readonly systemId: string;
    readonly expected: string | undefined;
  };
  /** A lease is held longer than `pool.leakDetectionMs`. */
  'lease:leaked': LeaseFacts;
  /** A lease that was reported as leaked came back after all. */
  'lease:returned-late': LeaseFacts;
  /** A lease came back inside a transaction; it was rolled back before anybody else got it. */
  'lease:dirty': LeaseFacts;
  /**
   * Code that holds a connection took a second one of the same pool: the first time it happens, and each time it
   * has to wait for it. The facts are those of the connection it holds.
   */
  'lease:nested': LeaseFacts & { readonly waits: boolean };
  /** Every connection was held by code that waited for another one: the newest of these calls was refused. */
  'pool:deadlocked': PoolEventFacts;
  /** Callers are sent away from now on: the queue is full, or was too slow for too long. */
  'pool:overloaded': PoolEventFacts & { readonly reason: RefusalReason };
  /** Nobody has to be sent away any more; `refused` counts those who were. */
  'pool:recovered': PoolEventFacts & { readonly tookMs: number; readonly refused: number };
  /** New work waits from now on. */
  'pool:suspended': PoolEventFacts;
  /** Work goes on; `waiting` is what came meanwhile. */
  'pool:resumed': PoolEventFacts & { readonly tookMs: number };
  /** The pool has another size. */
  'pool:resized': PoolEventFacts & { readonly min: number; readonly formerMax: number };
  /** Every connection that was open at the call of recycle() has been replaced. */
  'pool:recycled': PoolEventFacts & { readonly tookMs: number; readonly replaced: number };
  /** More than 80 % of the pool is leased. */
  'pool:saturated': { readonly node: string; readonly leased: number; readonly max: number };
  /** The pool is no longer saturated. */
  'pool:relieved': { readonly node: string; readonly leased: number; readonly max: number };
  /** A pool has closed; these are its final figures. */
  'pool:closed': {
    readonly node: string;
    readonly tookMs: number;
    readonly cancelled: number;
    readonly destroyed: number;
  };
  /** A circuit refuses calls from now on. */
  'circuit:opened': { readonly node: string; readonly openMs: number; readonly error: Error };
  /** A circuit lets probes through. */
  'circuit:half-opened': { readonly node: string };
  /** A circuit is back to normal. */
  'circuit:closed': { readonly node: string };
  /** A transaction is run again after 40001 or 40P01. */
  'transaction:retried': {
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: Error;
  };
  /** The connection was lost during COMMIT: somebody has to look whether it took effect. */
  'transaction:in-doubt': { readonly node: string; readonly error: Error };
  /** A COMMIT without an answer was looked up: this is what became of it. */
  'transaction:resolved': {
    readonly node: string;
    readonly outcome: 'committed' | 'rolled-back';
    readonly tookMs: number;
  };
  /** Code inside a transaction used a connection that does not belong to it. */
  'transaction:foreign-connection': { readonly node: string; readonly text: string };
  /** A hook after COMMIT or ROLLBACK failed; the outcome of the transaction stands. */
  'transaction:hook-failed': { readonly error: unknown };
  /** The line of notifications was lost: what is sent from now on is missed until it is restored. */
  'notifications:lost': { readonly node: string; readonly error: Error };
  /** Notifications come again; each subscription is told of its gap. */
  'notifications:restored': {
    readonly node: string;
    readonly downMs: number;
    readonly channels: number;
  };
  /** A try to restore the line of notifications failed. */
  'notifications:reconnect-failed': {
    readonly node: string;
    readonly attempt: number;
    readonly error: Error;
  };
  /** A handler was too slow for its channel, and notifications are dropped from here on; told once a gap. */
  'notification:dropped': { readonly channel: string; readonly queued: number };
  /** A handler of notifications, or of gaps, failed; the others were called. */
  'notification:failed': { readonly channel: string; readonly error: unknown };
  /** Background work failed; it is tried again at its next turn. */
  'work:failed': { readonly work: string; readonly error: unknown };
  /** A listener of an event threw. */
  'listener:failed': { readonly event: string; readonly error: unknown };
}
