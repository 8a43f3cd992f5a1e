// All nodes of an instance, who of them is primary, and the probes that keep that knowledge fresh.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import { UsageError } from '../kernel/errors.js';
import { Ticker } from '../kernel/ticker.js';
import type { NodeProbe, PositionAnswer } from './node-probe.js';
import type { Node } from './node.js';
import { identify } from './cluster-identity.js';
import { choosePrimary } from './router.js';
import { SharedAnswer } from './shared-answer.js';

/** A node and its probe. */
export interface ProbedNode {
  readonly node: Node;
  readonly probe: NodeProbe;
}

/** What a topology works with. */
export interface TopologyParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly probeIntervalMs: number;
}

/** Knows who is primary and who follows. Probes run side by side: one that hangs delays no other. */
export class Topology {
  readonly nodes: readonly Node[];
  private readonly tickers: readonly Ticker[];
  private readonly listeners = new Set<() => void>();
  private readonly positions: ReadonlyMap<string, SharedAnswer<PositionAnswer>>;
  /** Who takes writes and who follows, as of the last answer; asked for by every trip. */
  private current: { readonly primary: Node | undefined; readonly replicas: readonly Node[] };
  /** Identifies the cluster that the instance belongs to. */
  private cluster: string | undefined;
  /** Names of nodes about which the alarm was raised. */
  private readonly strangers = new Set<string>();
  private readonly rivals = new Set<string>();
  /** The primary that was told last: probes run side by side, and a change is told once. */
  private told: Node | undefined;
  private toldAtMs = 0;

  constructor(
    private readonly probed: readonly ProbedNode[],
    private readonly parts: TopologyParts,
  ) {
    this.nodes = probed.map(({ node }) => node);
    this.current = this.appraise();
    this.told = this.current.primary;
    this.positions = new Map(
      probed.map(({ node, probe }) => [node.name, new SharedAnswer(() => locate(node, probe))]),
    );
    this.tickers = probed.map(
      ({ node, probe }) =>
        new Ticker({
          clock: parts.clock,
          everyMs: parts.probeIntervalMs,
          run: () => this.look(node, probe),
          failed: (error) =>
            parts.events.emit('work:failed', { work: `probe ${node.name}`, error }),
        }),
    );
  }

  /** The node that takes writes, as far as is known. */
  primary(): Node | undefined {
    return this.current.primary;
  }

  replicas(): readonly Node[] {
    return this.current.replicas;
  }

  /** Identifies the cluster that the instance belongs to; undefined until that is clear. */
  get systemId(): string | undefined {
    return this.cluster;
  }

  /** Whether a replica may be taken out as well, when no more than this share of them may be out. One always may. */
  mayEject(name: string, maxEjectedRatio: number): boolean {
    const replicas = this.replicas();
    if (!replicas.some((node) => node.name === name)) return true;
    const out = replicas.filter(
      (node) => !node.isReachable || !node.isPassable || node.name === name,
    );
    return out.length <= Math.max(1, Math.floor(replicas.length * maxEjectedRatio));
  }

  /** What each node is, for messages. */
  describe(): string {
    const roleOf = (node: Node): string => {
      if (!this.isOurs(node)) return 'of another cluster';
      return node.isReachable ? node.role : 'not reached';
    };
    return this.nodes.map((node) => `${node.name}: ${roleOf(node)}`).join(', ');
  }

  find(name: string): Node | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  /** The primary, if its last probe was answered. */
  reachablePrimary(): Node | undefined {
    const primary = this.primary();
    return primary?.isReachable === true ? primary : undefined;
  }

  /** True when another node could take over: with one only, there is nobody to look for. */
  get hasOthers(): boolean {
    return this.nodes.length > 1;
  }

  /** Why the primary, or else the first host, was not reached. */
  lastFailure(): Error | undefined {
    return (this.primary() ?? this.nodes[0])?.lastFailure;
  }

  /** Calls back after each probe until the returned function is called. */
  onLook(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    for (const ticker of this.tickers) ticker.start();
  }

  /** Asks all nodes now, instead of at their next turn; does not wait for the answers. */
  lookNow(): void {
    for (const ticker of this.tickers) void ticker.runNow();
  }

  /**
   * The node refused a write as read-only: it has lost its role, and somebody else may have it. A single node
   * keeps it: behind its name there may be another server by now. Returns whether asking again may help.
   */
  demoted(name: string): boolean {
    const node = this.find(name);
    const evicted = node?.evict('standbys', 'its server is no primary any more') ?? 0;
    if (this.hasOthers) {
      node?.demoted();
      this.refresh();
    }
    this.lookNow();
    return this.hasOthers || evicted > 0;
  }

  /**
   * Asks a node where it stands, from now on: whatever it has answered before is included.
   * @throws DatabaseError when it cannot be reached or does not answer in time.
   */
  fetchPosition(name: string): Promise<PositionAnswer> {
    const position = this.positions.get(name);
    return position?.fetch() ?? Promise.reject(new UsageError(`There is no server "${name}".`));
  }

  /** Probes all nodes now; resolves when `isEnough`, or when each has answered or failed. */
  async refreshUntil(isEnough: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = async (ticker: Ticker): Promise<void> => {
        await ticker.runNow();
        if (isEnough()) resolve();
      };
      void Promise.all(this.tickers.map(look)).then(() => resolve());
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.tickers.map((ticker) => ticker.stop()));
    for (const { probe } of this.probed) probe.close();
  }

  private async look(node: Node, probe: NodeProbe): Promise<void> {
    // Taken before the question: what the primary writes meanwhile is no lag of the one that is asked.
    const primaryLsn = this.primary()?.lsn;
    try {
      node.answered(await probe.ask(), primaryLsn);
    } catch (error) {
      const wasWell = node.lastFailure === undefined;
      node.failed(error as Error);
      // Asked again at once: a second failure, on a new connection, is the verdict.
      if (wasWell) await this.look(node, probe);
    }
    this.refresh();
    // While nobody takes writes a name may be moved to another server: it is looked up again by the next probe.
    if (this.primary() === undefined && node.isReachable) probe.close();
    for (const listener of this.listeners) listener();
  }

  /** Draws the conclusions of what was heard, and tells what has changed. */
  private refresh(): void {
    this.cluster = identify(this.nodes, this.cluster);
    this.current = this.appraise();
    const { primary: to } = this.current;
    this.tellStrangers();
    if (to === undefined) return;
    if (to !== this.told) {
      // What still runs on the old one would be written into a past that nobody will see.
      if (this.told?.role === 'primary') this.told.evict('all', 'another server is primary now');
      this.parts.events.emit('primary:changed', { from: this.told?.name, to: to.name });
      this.toldAtMs = this.parts.clock.monotonicMs();
    }
    this.told = to;
    this.tellRivals(to);
  }

  private appraise(): { primary: Node | undefined; replicas: readonly Node[] } {
    const ours = this.nodes.filter((node) => this.isOurs(node));
    return {
      primary: choosePrimary(ours, this.told),
      replicas: ours.filter(({ role }) => role === 'replica'),
    };
  }

  private isOurs({ systemId }: Node): boolean {
    return systemId === undefined || systemId === this.cluster;
  }

  private tellStrangers(): void {
    const { cluster: expected } = this;
    for (const node of this.nodes) {
      const { name, systemId } = node;
      if (this.isOurs(node) || systemId === undefined) this.strangers.delete(name);
      else if (expected !== undefined && !this.strangers.has(name)) {
        this.strangers.add(name);
        node.evict('all', 'its server belongs to another cluster');
        this.parts.events.emit('node:foreign', { node: name, systemId, expected });
      }
    }
  }

  /** Two that can be reached and say they are primary: an alarm once, until it is over. */
  private tellRivals(primary: Node): void {
    for (const node of this.nodes) {
      const isRival = node.role === 'primary' && node.isReachable && this.isOurs(node);
      if (!isRival || node === primary || !primary.isReachable) this.rivals.delete(node.name);
      // What it said before the other one was promoted is no contradiction: it may be gone by now.
      else if (node.answeredAfter(this.toldAtMs) && !this.rivals.has(node.name)) {
        this.rivals.add(node.name);
        const because = node.timeline === primary.timeline ? 'same timeline' : 'older timeline';
        node.evict('all', 'another server is primary');
        this.parts.events.emit('primary:conflict', {
          primary: primary.name,
          refused: node.name,
          because,
        });
      }
    }
  }
}

async function locate(node: Node, probe: NodeProbe): Promise<PositionAnswer> {
  const position = await probe.askPosition();
  node.placed(position);
  return position;
}
