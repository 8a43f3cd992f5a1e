// Where an instance listens for notifications: its primary, or the servers of `listen.url`.
import { Checks } from './kernel/option-checks.js';
import { targetDefaults } from './database.hosts.js';
import type { HostsOptions, ResolvedNode } from './database.hosts.js';
import type { Driver } from './driver/driver.js';
import { parseTarget, splitHosts } from './driver/target.js';
import type { ConnectionTarget } from './driver/target.js';
import type { ListenPlace } from './notifications/line.js';
import { checkListen, LISTEN_DEFAULTS, LISTEN_KEYS } from './notifications/listen.options.js';
import type { ListenerOptions } from './notifications/listen.options.js';
import type { Topology } from './routing/topology.js';

/** The slice `listen`, with its URL taken apart. */
export interface ResolvedListen extends ListenerOptions {
  /** Servers to try instead of the primary; empty without `listen.url`. */
  readonly targets: readonly ConnectionTarget[];
}

/** Lays the slice `listen` over its defaults. */
export function resolveListen(
  options: HostsOptions & { readonly listen?: Partial<ListenerOptions> | undefined },
  checks: Checks,
): ResolvedListen {
  const listen = checks.slice('listen', options.listen, LISTEN_DEFAULTS, LISTEN_KEYS);
  checkListen(listen, checks);
  const { url } = listen;
  if (url === undefined) return { ...listen, targets: [] };
  // Problems of `tls` are told with those of the servers.
  const defaults = targetDefaults(options, new Checks());
  const urls = typeof url === 'string' ? splitHosts(url) : [url];
  const targets = urls.flatMap((each) => parseTarget('listen.url', each, defaults, checks) ?? []);
  return { ...listen, targets };
}

/** What it takes to find a place to listen. */
export interface ListenPlacesParts {
  readonly listen: ResolvedListen;
  readonly nodes: readonly ResolvedNode[];
  readonly connectTimeoutMs: number;
  readonly driver: Driver;
  readonly topology: Topology;
}

/** Finds the place to listen, at the moment it is asked. */
export function listenPlaces(parts: ListenPlacesParts): () => ListenPlace | undefined {
  const { listen, nodes, connectTimeoutMs, driver, topology } = parts;
  if (listen.targets.length > 0) return takingTurns(parts);
  return () => {
    const node = topology.primary()?.name;
    const target = nodes.find(({ name }) => name === node)?.target;
    if (node === undefined || target === undefined) return undefined;
    return {
      node,
      connect: () => driver.connect(target, connectTimeoutMs),
      refused: () => topology.demoted(node),
    };
  };
}

/** Without probes of their own: the next one is tried when one cannot be reached, or is no primary. */
function takingTurns({ listen, connectTimeoutMs, driver }: ListenPlacesParts) {
  let turn = 0;
  return (): ListenPlace | undefined => {
    const target = listen.targets[turn % listen.targets.length];
    if (target === undefined) return undefined;
    return {
      node: target.label,
      connect: async () => {
        try {
          return await driver.connect(target, connectTimeoutMs);
        } catch (error) {
          turn++;
          throw error;
        }
      },
      refused: () => void turn++,
    };
  };
}
