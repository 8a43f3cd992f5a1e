// Pure choice: what a call asks for and what is known of the nodes become an order of candidates.
import type { WalPosition } from '../query/position.js';
import type { Node } from './node.js';

/** What the router looks at. */
export interface RouterView {
  readonly primary: Node | undefined;
  readonly replicas: readonly Node[];
}

/** Which replicas may answer. */
export interface ReplicaRule {
  readonly maxLagMs: number;
  /** Names that failed already. */
  readonly tried: readonly string[];
  /** What the read has to see. */
  readonly after?: WalPosition | undefined;
}

/**
 * The node that takes writes. Of several that say they are primary the one on the newest timeline is: an
 * old primary that comes back on an older one must not get a write. A declared role counts until a node
 * has spoken for itself, and between equals.
 */
export function choosePrimary(nodes: readonly Node[]): Node | undefined {
  let best: Node | undefined;
  for (const node of nodes) {
    if (node.role !== 'primary') continue;
    if (best === undefined || isBetterPrimary(node, best)) best = node;
  }
  return best;
}

function isBetterPrimary(node: Node, other: Node): boolean {
  if (node.timeline !== other.timeline) return node.timeline > other.timeline;
  return node.declaredRole === 'primary' && other.declaredRole !== 'primary';
}

/** Whether a replica may answer a read. */
export function isEligible(node: Node, rule: ReplicaRule): boolean {
  return (
    node.isReachable &&
    node.isPassable &&
    node.lagMs !== undefined &&
    node.lagMs <= rule.maxLagMs &&
    !rule.tried.includes(node.name) &&
    (rule.after === undefined || node.hasReached(rule.after))
  );
}

/** The eligible replica with the least in flight. */
export function chooseReplica(
  replicas: readonly Node[],
  rule: ReplicaRule,
  random = Math.random,
): Node | undefined {
  let best: Node | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const node of replicas) {
    if (!isEligible(node, rule)) continue;
    // The fraction breaks ties at random, so that equal replicas share the load.
    const score = node.inFlight + random();
    if (score < bestScore) {
      best = node;
      bestScore = score;
    }
  }
  return best;
}

/** The node for a read that a replica may answer: the best replica, else the primary. */
export function chooseForRead(
  view: RouterView,
  rule: ReplicaRule,
  random = Math.random,
): Node | undefined {
  const replica = chooseReplica(view.replicas, rule, random);
  if (replica !== undefined) return replica;
  return view.primary !== undefined && !rule.tried.includes(view.primary.name)
    ? view.primary
    : undefined;
}
