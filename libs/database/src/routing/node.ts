// One server: what was declared, what its probe saw, and its own chain of stages.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { WalPosition } from '../query/position.js';
import type { Enter } from '../query/stage.js';
import type { PositionAnswer, ProbeAnswer } from './node-probe.js';
import type { Pooling } from './pooling.js';

/** What the options say of a node. */
export type DeclaredRole = 'primary' | 'replica' | 'auto';

/** What is known of a node's role. */
export type NodeRole = 'primary' | 'replica' | 'unknown';

/** A node as it is seen from outside. */
export interface NodeSnapshot {
  readonly name: string;
  /** `host:port/database`. */
  readonly address: string;
  readonly role: NodeRole;
  readonly isReachable: boolean;
  /** How far a replica is behind, in ms; 0 on a primary; undefined when it is not known. */
  readonly lagMs: number | undefined;
  /** Bytes of write-ahead log a replica has yet to replay; undefined when it is not known. */
  readonly lagBytes: number | undefined;
  /** Round trip of the last probe, in ms. */
  readonly latencyMs: number | undefined;
  /** Age of what is said here, in ms; undefined before the first probe. */
  readonly ageMs: number | undefined;
  readonly serverVersion: number | undefined;
  /** What stands between us and the server; undefined when it is not known. */
  readonly pooling: Pooling | undefined;
  readonly lastError: string | undefined;
}

/** What a node is built of. */
export interface NodeParts {
  readonly name: string;
  readonly address: string;
  readonly declaredRole: DeclaredRole;
  readonly clock: Clock;
  readonly events: Events;
  /** Sends a trip down the node's chain. */
  readonly enter: Enter;
  /** Callers that its pool serves or lets wait. */
  readonly load: () => number;
  /** Whether the node's circuit lets calls in. */
  readonly isPassable: () => boolean;
  /** Whether the connection stands that gave the last answer: what it said of a position holds as long. */
  readonly isWatched: () => boolean;
  /** The node did not answer once: told before it is asked again. */
  readonly suspect: () => void;
  /** The node did not answer a new connection either: whatever hangs on the old ones hangs for ever. */
  readonly sever: () => void;
  /**
   * The node is not who it was taken for: `standbys`: idle connections to a standby are closed, so that new
   * ones look its name up again; `all`: none may be used any more. Returns their number.
   */
  readonly evict: (which: 'standbys' | 'all', reason: string) => number;
  /** Time in which its share grows after it came back, in ms. */
  readonly slowStartMs: number;
}

/** One server and the latest knowledge about it. */
export class Node {
  role: NodeRole;
  lagMs: number | undefined;
  lagBytes: number | undefined;
  private answer: ProbeAnswer | undefined;
  private position: PositionAnswer | undefined;
  private askedAtMs: number | undefined;
  private failure: Error | undefined;
  private downSinceMs: number | undefined;
  private returnedAtMs: number | undefined;
  private averageMs: number | undefined;
  private failedAttempts = 0;
  private wasConnected = false;

  constructor(private readonly parts: NodeParts) {
    this.role = parts.declaredRole === 'auto' ? 'unknown' : parts.declaredRole;
  }

  get name(): string {
    return this.parts.name;
  }

  get declaredRole(): DeclaredRole {
    return this.parts.declaredRole;
  }

  /** True when the last probe was answered. */
  get isReachable(): boolean {
    return this.answer !== undefined && this.failure === undefined;
  }

  get isPassable(): boolean {
    return this.parts.isPassable();
  }

  /** Why the last probe failed; undefined when it was answered. */
  get lastFailure(): Error | undefined {
    return this.failure;
  }

  /** Callers that the node serves or lets wait. */
  get inFlight(): number {
    return this.parts.load();
  }

  /** What stands between us and the server; undefined when it is not known. */
  get pooling(): Pooling | undefined {
    return this.answer?.pooling;
  }

  /** What the last probe took, in ms; undefined before the first answer. */
  get latencyMs(): number | undefined {
    return this.answer?.latencyMs;
  }

  /** How long answers take lately, in ms; the newest one counts a tenth. At least a tenth of a ms. */
  get answerMs(): number {
    return Math.max(0.1, this.averageMs ?? this.answer?.latencyMs ?? 1);
  }

  /** A statement was answered in this time. */
  took(serverMs: number): void {
    this.averageMs =
      this.averageMs === undefined ? serverMs : this.averageMs * 0.9 + serverMs * 0.1;
  }

  /** From 0.1 to 1: how much of an equal share of the reads it gets, so that it can warm up. */
  get share(): number {
    const { slowStartMs, clock } = this.parts;
    if (this.returnedAtMs === undefined || slowStartMs === 0) return 1;
    return Math.min(1, Math.max(0.1, (clock.monotonicMs() - this.returnedAtMs) / slowStartMs));
  }

  /** Timeline of a primary, as it reported last. */
  get timeline(): number {
    return this.answer?.timeline ?? 0;
  }

  get systemId(): string | undefined {
    return this.answer?.systemId;
  }

  /** True once a probe came back, with whatever outcome. */
  get wasAsked(): boolean {
    return this.askedAtMs !== undefined;
  }

  /** Whether the last answer is to a question that was asked after `atMs`. */
  answeredAfter(atMs: number): boolean {
    return this.answer !== undefined && this.answer.askedAtMs > atMs;
  }

  /** The server itself refused a write as read-only: whatever was known of its role is wrong. */
  demoted(): void {
    this.changeRole('replica');
  }

  /** Closes connections to who the node is not; see {@link NodeParts.evict}. */
  evict(which: 'standbys' | 'all', reason: string): number {
    return this.parts.evict(which, reason);
  }

  /** The position the node reported last. */
  get lsn(): bigint | undefined {
    return this.answer?.lsn;
  }

  /** The place that stands for all that was committed here before it was asked for; undefined when it is not known. */
  get end(): (WalPosition & { readonly askedAtMs: number }) | undefined {
    const { position } = this;
    if (position?.timeline === undefined || !this.parts.isWatched()) return undefined;
    const { systemId, timeline, endLsn: lsn, askedAtMs } = position;
    return { systemId, timeline, lsn, askedAtMs };
  }

  /**
   * Whether the node surely has what was written up to `position`. Positions are compared on one timeline
   * only: after a promotion the same number may stand for something else.
   */
  hasReached({ systemId, timeline, lsn }: WalPosition): boolean {
    const { end } = this;
    return end?.systemId === systemId && end.timeline === timeline && end.lsn >= lsn;
  }

  /** The node was asked where it stands, between two probes. */
  placed(position: PositionAnswer): void {
    this.position = position;
  }

  enter(...args: Parameters<Enter>): void {
    this.parts.enter(...args);
  }

  /** The probe was answered. `primaryLsn` is the primary's position, taken before. */
  answered(answer: ProbeAnswer, primaryLsn: bigint | undefined): void {
    const { events, name, clock } = this.parts;
    this.answer = answer;
    this.position = answer;
    this.failure = undefined;
    this.askedAtMs = clock.monotonicMs();
    this.setLag(answer, primaryLsn);
    this.changeRole(answer.role);
    if (!this.wasConnected) events.emit('node:connected', { node: name, role: this.role });
    else if (this.downSinceMs !== undefined) {
      this.comeBack();
      events.emit('node:reconnected', { node: name, downMs: this.askedAtMs - this.downSinceMs });
    }
    this.wasConnected = true;
    this.downSinceMs = undefined;
    this.failedAttempts = 0;
  }

  /**
   * The probe failed. The first time it may have been the connection; the second time, on a new one, it is
   * the node, and all its sockets that stood still meanwhile are cut: TCP alone would let them hang.
   */
  failed(error: Error): void {
    if (this.failure === undefined) this.parts.suspect();
    else this.parts.sever();
    const { events, name, clock } = this.parts;
    this.failure = error;
    this.askedAtMs = clock.monotonicMs();
    this.lagMs = this.role === 'primary' ? 0 : undefined;
    this.lagBytes = undefined;
    if (this.downSinceMs === undefined && this.wasConnected) {
      this.downSinceMs = this.askedAtMs;
      events.emit('node:disconnected', { node: name, error });
    } else {
      this.failedAttempts++;
      const attempt = this.failedAttempts;
      events.emit('node:reconnect-failed', { node: name, attempt, error });
    }
  }

  snapshot(): NodeSnapshot {
    const nowMs = this.parts.clock.monotonicMs();
    return {
      name: this.name,
      address: this.parts.address,
      role: this.role,
      isReachable: this.isReachable,
      lagMs: this.lagMs,
      lagBytes: this.lagBytes,
      latencyMs: this.answer?.latencyMs,
      ageMs: this.askedAtMs === undefined ? undefined : nowMs - this.askedAtMs,
      serverVersion: this.answer?.serverVersion,
      pooling: this.pooling,
      lastError: this.failure?.message,
    };
  }

  /** Its caches are cold, and what it took before says nothing any more. */
  private comeBack(): void {
    this.returnedAtMs = this.parts.clock.monotonicMs();
    this.averageMs = undefined;
  }

  private changeRole(to: NodeRole): void {
    if (to === this.role) return;
    if (this.role === 'primary' && this.wasConnected) this.comeBack();
    this.parts.events.emit('node:role-changed', { node: this.name, from: this.role, to });
    // What was opened before the promotion goes on saying that it has met a standby until its next statement.
    if (to === 'primary' && this.role === 'replica') this.evict('standbys', 'it was promoted');
    this.role = to;
  }

  /**
   * A replica that has replayed the primary's last known position lags by nothing, however long ago the last transaction
   * was: an idle primary would make the age of it look like lag. While nobody knows the primary's position, it is what the
   * replica has received that counts; after a restart that is less than it has replayed.
   */
  private setLag(answer: ProbeAnswer, primaryLsn: bigint | undefined): void {
    const { role, lsn, receivedLsn = lsn, replayAgeMs } = answer;
    const wantedLsn = primaryLsn ?? receivedLsn;
    const isBehind = role === 'replica' && lsn < wantedLsn;
    this.lagMs = isBehind ? replayAgeMs : 0;
    this.lagBytes = isBehind ? Number(wantedLsn - lsn) : 0;
  }
}
