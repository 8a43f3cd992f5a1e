// The bodies of the answers: what everybody may see, and what operators may.
import type { NodeSnapshot } from '../database-view.js';
import type { EndpointPorts } from './endpoint-ports.js';

/** Readiness with the reason of each check. */
export function readinessBody({ readiness, health }: EndpointPorts): {
  readonly isReady: boolean;
  readonly body: object;
} {
  const { isReady, status, failed } = readiness();
  const checks = Object.entries(health().checks).flatMap(([name, check]) =>
    check === undefined
      ? []
      : [[name, { status: check.state, reason: check.reason, ageMs: rounded(check.ageMs) }]],
  );
  return { isReady, body: { status, failed, checks: Object.fromEntries(checks) as object } };
}

/** Pools, memory and process; names of nodes, no addresses. */
export function poolMetricsBody({ view }: EndpointPorts): object {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  const pools = view.pools().map((pool) => [
    pool.node,
    {
      totalCount: pool.total,
      idleCount: pool.idle,
      waitingCount: pool.waiting,
      maxCount: pool.max,
      /** Leased connections divided by `maxCount`, 0 to 1. */
      utilization: pool.utilizationRatio,
    },
  ]);
  return {
    pools: Object.fromEntries(pools) as object,
    memory: {
      rssBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      heapTotalBytes: memory.heapTotal,
      externalBytes: memory.external,
    },
    process: {
      uptimeSeconds: process.uptime(),
      cpuUserSeconds: cpu.user / 1e6,
      cpuSystemSeconds: cpu.system / 1e6,
    },
  };
}

/** All checks with their figures, and each node with its last error. For operators. */
export function healthBody({ instance, view, health }: EndpointPorts): {
  readonly isReady: boolean;
  readonly body: object;
} {
  const report = health();
  return { isReady: report.isReady, body: { instance, ...report, nodes: view.nodes() } };
}

/** Where the instance is connected to, without user and password. For operators. */
export function connectionInfoBody({ instance, view }: EndpointPorts): object {
  const pools = new Map(view.pools().map((pool) => [pool.node, pool]));
  return {
    instance,
    type: 'postgresql',
    nodes: view.nodes().map((node) => {
      const pool = pools.get(node.name);
      return {
        name: node.name,
        role: node.role,
        ...addressParts(node.address),
        isReachable: node.isReachable,
        serverVersion: versionText(node.serverVersion),
        latencyMs: node.latencyMs,
        lagMs: node.lagMs,
        ...(pool !== undefined && { pool: { min: pool.min, max: pool.max, total: pool.total } }),
      };
    }),
  };
}

function addressParts(address: NodeSnapshot['address']): object {
  const match = /^(.*):(\d+)\/(.*)$/.exec(address);
  if (match === null) return { address };
  const [, host, port, database] = match;
  return { host, port: Number(port), database };
}

/** 180004 is 18.4. */
function versionText(version: number | undefined): string | undefined {
  if (version === undefined) return undefined;
  return `${Math.floor(version / 10_000)}.${version % 10_000}`;
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms);
}
