// All nodes of an instance, who of them is primary, and the probes that keep that knowledge fresh.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import { UsageError } from '../kernel/errors.js';
import { Ticker } from '../kernel/ticker.js';
import type { NodeProbe, PositionAnswer } from './node-probe.js';
import type { Node } from './node.js';
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
  /** The primary that was told last: probes run side by side, and a change is told once. */
  private knownPrimary: Node | undefined;

  constructor(
    private readonly probed: readonly ProbedNode[],
    private readonly parts: TopologyParts,
  ) {
    this.nodes = probed.map(({ node }) => node);
    this.knownPrimary = this.primary();
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
    return choosePrimary(this.nodes);
  }

  /** Identifies the cluster; undefined until its primary has answered. */
  get systemId(): string | undefined {
    return this.primary()?.systemId;
  }

  replicas(): Node[] {
    return this.nodes.filter((node) => node.role === 'replica');
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

  /** The node refused a write as read-only: it has lost its role, and somebody else may have it. */
  demoted(name: string): void {
    if (!this.hasOthers) return;
    this.find(name)?.demoted();
    this.lookNow();
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
    this.tellPrimary();
    for (const listener of this.listeners) listener();
  }

  private tellPrimary(): void {
    const from = this.knownPrimary;
    const to = this.primary();
    if (to === undefined || to === from) return;
    this.knownPrimary = to;
    this.parts.events.emit('primary:changed', { from: from?.name, to: to.name });
  }
}

async function locate(node: Node, probe: NodeProbe): Promise<PositionAnswer> {
  const position = await probe.askPosition();
  node.placed(position);
  return position;
}
