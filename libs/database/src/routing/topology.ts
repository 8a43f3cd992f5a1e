// All nodes of an instance, and the probes that keep what is known of them fresh.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import { Ticker } from '../kernel/ticker.js';
import type { NodeProbe } from './node-probe.js';
import type { Node } from './node.js';

/** A node and its probe. */
export interface ProbedNode {
  readonly node: Node;
  readonly probe: NodeProbe;
}

/** Knows who is primary and who follows. Probes run side by side: one that hangs delays no other. */
export class Topology {
  readonly nodes: readonly Node[];
  private readonly tickers: readonly Ticker[];

  constructor(
    private readonly probed: readonly ProbedNode[],
    parts: { readonly clock: Clock; readonly events: Events; readonly probeIntervalMs: number },
  ) {
    this.nodes = probed.map(({ node }) => node);
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

  /** The node that takes writes; a declared one goes before one that was merely found. */
  primary(): Node | undefined {
    let found: Node | undefined;
    for (const node of this.nodes) {
      if (node.role !== 'primary') continue;
      if (node.declaredRole === 'primary') return node;
      found ??= node;
    }
    return found;
  }

  replicas(): Node[] {
    return this.nodes.filter((node) => node.role === 'replica');
  }

  find(name: string): Node | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  start(): void {
    for (const ticker of this.tickers) ticker.start();
  }

  /** The primary, if its last probe was answered. */
  reachablePrimary(): Node | undefined {
    const primary = this.primary();
    return primary?.isReachable === true ? primary : undefined;
  }

  /** Why the primary, or else the first host, was not reached. */
  lastFailure(): Error | undefined {
    return (this.primary() ?? this.nodes[0])?.lastFailure;
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
    const primaryLsn = this.primary()?.lsn;
    try {
      node.answered(await probe.ask(), primaryLsn);
    } catch (error) {
      node.failed(error as Error);
    }
  }
}
