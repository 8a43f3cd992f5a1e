// Which cluster an instance belongs to: a host that is entered by mistake must get neither reads nor writes.

/** What is known of one node. */
export interface Identified {
  readonly declaredRole: 'primary' | 'replica' | 'auto';
  /** System identifier of its cluster; undefined until it has answered. */
  readonly systemId: string | undefined;
  /** True once it was asked, with whatever outcome. */
  readonly wasAsked: boolean;
}

/**
 * The system identifier that counts: that of the declared primary; else the one that most of all nodes have;
 * else the one that counted before. At first, when all have been asked, the most frequent one, and between
 * equals the one that stands first. A single node is always right, for a cluster may be rebuilt.
 */
export function identify(
  nodes: readonly Identified[],
  established: string | undefined,
): string | undefined {
  const declared = nodes.find(({ declaredRole }) => declaredRole === 'primary')?.systemId;
  if (declared !== undefined) return declared;
  const counts = new Map<string, number>();
  for (const { systemId } of nodes) {
    if (systemId !== undefined) counts.set(systemId, (counts.get(systemId) ?? 0) + 1);
  }
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  if (first !== undefined && first[1] * 2 > nodes.length) return first[0];
  if (established !== undefined) return established;
  return nodes.every(({ wasAsked }) => wasAsked) ? first?.[0] : undefined;
}
