// The connections that reads share now: which of them a read takes, and when one goes back to the pool.
import type { Clock } from '../kernel/clock.js';
import type { LaneMember } from './lane-member.js';
import type { PooledConnection } from './pooled-connection.js';

/** Where they come from and go to. */
export interface Sharing {
  readonly clock: Clock;
  /** Most of them. */
  readonly max: number;
  take(): PooledConnection | undefined;
  accept(pooled: PooledConnection): void;
  /** What makes a connection one that is shared. */
  memberOf(pooled: PooledConnection): LaneMember;
  /** The first one is there. */
  began(nowMs: number): void;
  /** None takes anything more. */
  ended(): void;
}

/** A connection is filled up to here before the next one is taken. */
const FILL = 8;

/** A few of them; those that take nothing more stay until they are empty. */
export class SharedConnections {
  private readonly open: LaneMember[] = [];
  private readonly leaving = new Set<LaneMember>();

  constructor(private readonly sharing: Sharing) {}

  /** Those that take reads. */
  get count(): number {
    return this.open.length;
  }

  /** Those that are leaving included. */
  get all(): LaneMember[] {
    return [...this.open, ...this.leaving];
  }

  /** Reads under way on those that take more. */
  get load(): number {
    let load = 0;
    for (const { size } of this.open) load += size;
    return load;
  }

  /** The only one that has anything under way, if it is one. */
  get lastBusy(): LaneMember | undefined {
    const busy = this.open.filter(({ size }) => size > 0);
    return busy.length === 1 ? busy[0] : undefined;
  }

  /**
   * The first one with little to do; else another one, of those that were used last; else the one with the least that has
   * room; undefined when all are full. `unsuspected` leaves out those whose first read may be slow.
   */
  pick(needsPrimary: boolean, which: 'any' | 'unsuspected' = 'any'): LaneMember | undefined {
    let best: LaneMember | undefined;
    for (const member of this.open) {
      if (!member.mayAnswer(needsPrimary)) continue;
      if (which === 'unsuspected' && member.isSuspect) continue;
      if (member.size < FILL) return member;
      if (member.hasRoom && (best === undefined || member.size < best.size)) best = member;
    }
    return this.takeAnother() ?? best;
  }

  /** The pool has lent a connection. */
  add(pooled: PooledConnection): LaneMember {
    const nowMs = this.sharing.clock.monotonicMs();
    const member = this.sharing.memberOf(pooled);
    member.begin(nowMs);
    if (this.open.length === 0) this.sharing.began(nowMs);
    this.open.push(member);
    return member;
  }

  /** It takes nothing more. */
  retire(member: LaneMember): void {
    const at = this.open.indexOf(member);
    if (at < 0) return;
    this.open.splice(at, 1);
    this.leaving.add(member);
    if (this.open.length === 0) this.sharing.ended();
  }

  /** It goes back to the pool. */
  release(member: LaneMember): void {
    this.retire(member);
    // A CancelRequest that ends later asks again.
    if (this.leaving.delete(member)) this.sharing.accept(member.pooled);
  }

  private takeAnother(): LaneMember | undefined {
    if (this.open.length >= this.sharing.max) return undefined;
    const pooled = this.sharing.take();
    return pooled === undefined ? undefined : this.add(pooled);
  }
}
