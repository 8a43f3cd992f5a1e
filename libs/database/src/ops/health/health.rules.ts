// From what probes and pools say to verdicts. Pure: no clock, no I/O.
import type { CircuitSnapshot, NodeSnapshot, PoolStats } from '../database-view.js';
import type { HealthOptions } from './health.options.js';
import type { HealthCheckName, HealthState, HealthVerdict, Readiness } from './health.types.js';

/** What the rules judge. */
export interface HealthFacts {
  readonly nodes: readonly NodeSnapshot[];
  readonly pools: readonly PoolStats[];
  readonly circuits: readonly CircuitSnapshot[];
  /** Probes of a node that failed in a row. */
  readonly failuresOf: (node: string) => number;
  /** Time since a primary answered last, or since somebody began to look, in ms. */
  readonly primaryMissingMs: number;
  /** 95th percentile of recent queries, in ms; undefined when there were none. */
  readonly p95Ms: number | undefined;
}

/** The verdicts, by check. */
export type HealthVerdicts = Readonly<Record<HealthCheckName, HealthVerdict>>;

type Known = Partial<Pick<HealthVerdict, 'ageMs' | 'figures'>>;

function verdict(state: HealthState, reason: string, known: Known = {}): HealthVerdict {
  return { state, reason, ageMs: known.ageMs, figures: known.figures ?? {} };
}

/** Figures without those that are not known. */
function figuresOf(values: Record<string, number | undefined>): Record<string, number> {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as Record<string, number>;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function isFresh(node: NodeSnapshot, { staleAfterMs }: HealthOptions): boolean {
  return node.ageMs !== undefined && node.ageMs <= staleAfterMs;
}

function youngestMs(nodes: readonly NodeSnapshot[]): number | undefined {
  const ages = nodes.map(({ ageMs }) => ageMs).filter((ageMs) => ageMs !== undefined);
  return ages.length === 0 ? undefined : Math.min(...ages);
}

/** The node that takes writes; every node while none is known, or when writes are not required. */
function needed(nodes: readonly NodeSnapshot[], options: HealthOptions): readonly NodeSnapshot[] {
  const primaries = nodes.filter(({ role }) => role === 'primary');
  return options.requirePrimary && primaries.length > 0 ? primaries : nodes;
}

/** Whether the node that is needed answers its probes. */
function judgeConnection(facts: HealthFacts, options: HealthOptions): HealthVerdict {
  const nodes = needed(facts.nodes, options);
  const ageMs = youngestMs(nodes);
  if (ageMs === undefined) return verdict('unknown', 'No probe has ended yet.');
  const fresh = nodes.filter((node) => isFresh(node, options));
  if (fresh.length === 0)
    return verdict('unknown', 'The last probe ended too long ago.', { ageMs });
  if (fresh.some(({ isReachable }) => isReachable)) {
    return verdict('up', 'The last probe was answered.', { ageMs });
  }
  const wasReached = fresh.filter(({ serverVersion }) => serverVersion !== undefined);
  if (wasReached.length === 0) {
    return verdict('down', 'The server has not been reached yet.', { ageMs });
  }
  const failures = Math.min(...wasReached.map(({ name }) => Math.max(1, facts.failuresOf(name))));
  const known = { ageMs, figures: { failuresInARow: failures } };
  return failures < options.failuresInARow
    ? verdict('degraded', `${plural(failures, 'probe')} in a row failed; not yet down.`, known)
    : verdict('down', `${plural(failures, 'probe')} in a row failed.`, known);
}

/** Whether a node that answers takes writes. */
function judgeRole(facts: HealthFacts, options: HealthOptions): HealthVerdict {
  const answering = facts.nodes.filter((node) => node.isReachable && isFresh(node, options));
  const ageMs = youngestMs(answering);
  if (answering.length === 0) return verdict('unknown', 'No node answers.');
  if (answering.some(({ role }) => role === 'primary')) {
    return verdict('up', 'A primary answers.', { ageMs });
  }
  if (!options.requirePrimary) return verdict('up', 'No primary is required.', { ageMs });
  const known = { ageMs, figures: { primaryMissingMs: Math.round(facts.primaryMissingMs) } };
  return facts.primaryMissingMs <= options.primaryGraceMs
    ? verdict('degraded', 'No node takes writes; a new primary is awaited.', known)
    : verdict('down', 'No node takes writes.', known);
}

/** How much of the fullest pool is in use. */
function judgePool({ pools }: HealthFacts, options: HealthOptions): HealthVerdict {
  const [first, ...rest] = pools;
  if (first === undefined) return verdict('unknown', 'There is no pool.');
  const load = (pool: PoolStats): number => pool.utilizationRatio + pool.waiting;
  const fullest = rest.reduce((worst, pool) => (load(pool) > load(worst) ? pool : worst), first);
  const { leased, idle, waiting, max, utilizationRatio } = fullest;
  const known = { ageMs: 0, figures: { leased, idle, waiting, max, utilizationRatio } };
  if (leased >= max && waiting > 0) {
    const reason = `All ${plural(max, 'connection')} are in use, ${waiting} waiting.`;
    return verdict('degraded', reason, known);
  }
  if (utilizationRatio >= options.saturationRatio) {
    return verdict('degraded', `${leased} of ${plural(max, 'connection')} are in use.`, known);
  }
  const isBare = pools.some((pool) => pool.total === 0 && pool.lastConnectError !== undefined);
  if (isBare) return verdict('degraded', 'A pool has no connection.', known);
  return verdict('up', `${leased} of ${plural(max, 'connection')} are in use.`, known);
}

/** How fast the primary answers a probe, and the application's queries end. */
function judgeLatency(facts: HealthFacts, options: HealthOptions): HealthVerdict {
  const nodes = needed(facts.nodes, options).filter((node) => node.isReachable);
  const ageMs = youngestMs(nodes);
  const latencies = nodes.map(({ latencyMs }) => latencyMs).filter((ms) => ms !== undefined);
  const probeMs = latencies.length === 0 ? undefined : Math.min(...latencies);
  const known = { ageMs, figures: figuresOf({ probeMs, p95Ms: facts.p95Ms }) };
  if (probeMs === undefined) return verdict('unknown', 'No probe was answered.', known);
  if (probeMs > options.maxLatencyMs) return verdict('degraded', 'Probes are slow.', known);
  const isSlow = options.maxP95Ms > 0 && (facts.p95Ms ?? 0) > options.maxP95Ms;
  if (isSlow) return verdict('degraded', 'Queries are slow: see p95Ms.', known);
  return verdict('up', 'The server answers quickly.', known);
}

/** Whether every replica answers and is close enough to the primary. */
function judgeReplicas({ nodes }: HealthFacts, options: HealthOptions): HealthVerdict {
  const replicas = nodes.filter(({ role }) => role === 'replica');
  if (replicas.length === 0)
    return verdict('up', 'There is no replica.', { figures: { replicas: 0 } });
  const answering = replicas.filter((node) => node.isReachable && isFresh(node, options));
  const lags = (kind: 'lagMs' | 'lagBytes'): number =>
    Math.max(0, ...answering.map((node) => node[kind] ?? 0));
  const usable = answering.filter(
    ({ lagMs, lagBytes }) =>
      (lagMs ?? 0) <= options.maxLagMs &&
      (options.maxLagBytes === 0 || (lagBytes ?? 0) <= options.maxLagBytes),
  ).length;
  const ageMs = youngestMs(replicas);
  const figures = {
    replicas: replicas.length,
    usable,
    maxLagMs: Math.round(lags('lagMs')),
    maxLagBytes: lags('lagBytes'),
  };
  const known = { ageMs, figures };
  if (ageMs === undefined) return verdict('unknown', 'No probe has ended yet.', known);
  if (usable === replicas.length) return verdict('up', 'Every replica keeps up.', known);
  const late = answering.length - usable;
  const silent = replicas.length - answering.length;
  return verdict(
    'degraded',
    `${usable} of ${plural(replicas.length, 'replica')} can be read: ${silent} silent, ${late} late.`,
    known,
  );
}

/** Whether calls are refused because they failed too often lately. */
function judgeCircuit({ circuits }: HealthFacts): HealthVerdict {
  const count = (state: CircuitSnapshot['state']): number =>
    circuits.filter((circuit) => circuit.state === state).length;
  const [open, halfOpen] = [count('open'), count('half-open')];
  const known = { ageMs: 0, figures: { circuits: circuits.length, open, halfOpen } };
  if (open > 0)
    return verdict('degraded', `${plural(open, 'circuit')} open: calls are refused.`, known);
  if (halfOpen > 0)
    return verdict('degraded', `${plural(halfOpen, 'circuit')} on probation.`, known);
  return verdict('up', 'No circuit is open.', known);
}

/** All checks. */
export function judge(facts: HealthFacts, options: HealthOptions): HealthVerdicts {
  return {
    connection: judgeConnection(facts, options),
    role: judgeRole(facts, options),
    pool: judgePool(facts, options),
    latency: judgeLatency(facts, options),
    replicas: judgeReplicas(facts, options),
    circuit: judgeCircuit(facts),
  };
}

/** The checks that end readiness: a saturated pool or a late replica would take every process out at once. */
export function failedChecks({ connection, role }: HealthVerdicts): HealthCheckName[] {
  const failed: HealthCheckName[] = [];
  if (connection.state === 'down' || connection.state === 'unknown') failed.push('connection');
  if (role.state === 'down') failed.push('role');
  return failed;
}

/** The state of the whole. */
export function overallState(verdicts: HealthVerdicts): HealthState {
  const { connection, role } = verdicts;
  if (connection.state === 'down' || role.state === 'down') return 'down';
  if (connection.state === 'unknown') return 'unknown';
  return Object.values(verdicts).some(({ state }) => state === 'degraded') ? 'degraded' : 'up';
}

/** The word for a state of readiness. */
export function readinessStatus(
  state: HealthState,
  failed: readonly HealthCheckName[],
  isClosing: boolean,
): Readiness['status'] {
  if (isClosing) return 'shutting_down';
  if (failed.length > 0) return 'error';
  return state === 'degraded' ? 'degraded' : 'ok';
}
