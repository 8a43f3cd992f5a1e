// What each fault does when it strikes, and how it heals.
import type { FaultMode, FaultProxy } from '../test/support/fault-proxy.js';
import { nowMs } from './journal.js';
import { LOAD_ROLE } from './ledger.js';
import type { FaultKind, PlannedFault } from './schedule.js';
import type { Servers } from './servers.js';

/** Undoes a fault. */
export interface Healing {
  /** Serves again; resolves to the moment from which it does. */
  heal(): Promise<number>;
  /** What has to happen afterwards, while clients work, before the next fault may strike. */
  restore?(): Promise<void>;
}

type Strike = (servers: Servers, plan: PlannedFault) => Promise<Healing>;

/** Lets a fault strike. */
export function strike(servers: Servers, plan: PlannedFault): Promise<Healing> {
  return STRIKES[plan.kind](servers, plan);
}

const STRIKES: Readonly<Record<FaultKind, Strike>> = {
  kill: async (servers) => {
    const { node } = servers.primary;
    await node.kill9();
    return {
      heal: async () => {
        await node.start();
        return nowMs();
      },
      restore: () => servers.replicaIsInStep(),
    };
  },

  promote: async (servers) => {
    await servers.primary.node.kill9();
    return promotion(servers);
  },

  switchover: async (servers) => {
    await servers.primary.node.stop();
    return promotion(servers);
  },

  pause: async (servers, { target }) => {
    const replicaIsHit = target === 'replica';
    if (replicaIsHit) await servers.switchSyncOff();
    const { node } = replicaIsHit ? servers.replica : servers.primary;
    await node.pause();
    return {
      heal: async () => {
        node.resume();
        return nowMs();
      },
      restore: () => (replicaIsHit ? servers.switchSyncOn() : servers.replicaIsInStep()),
    };
  },

  'replica-stop': async (servers) => {
    const { node } = servers.replica;
    await servers.switchSyncOff();
    await node.stop();
    return {
      heal: async () => {
        await node.start();
        return nowMs();
      },
      restore: () => servers.switchSyncOn(),
    };
  },

  blackhole: (servers, plan) => onTheLine(servers, plan, 'blackhole'),
  'drop-responses': (servers, plan) => onTheLine(servers, plan, 'drop-responses'),
  'drop-requests': (servers, plan) => onTheLine(servers, plan, 'drop-requests'),
  reset: (servers, plan) => onTheLine(servers, plan, 'reset'),
  refuse: (servers, plan) => onTheLine(servers, plan, 'refuse'),

  delay: async (servers, { target, delayMs }) => {
    const proxies = servers.at(target).map(({ proxy }) => proxy);
    for (const proxy of proxies) proxy.delayMs = delayMs;
    return {
      heal: async () => {
        for (const proxy of proxies) proxy.delayMs = 0;
        return nowMs();
      },
    };
  },

  'connection-limit': async (servers) => {
    const { node } = servers.primary;
    await node.sql(`alter role ${LOAD_ROLE} connection limit 0`);
    // A limit that is reached refuses new connections only: those that are open have to go.
    await node.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${LOAD_ROLE}'`,
    );
    return {
      heal: async () => {
        await node.sql(`alter role ${LOAD_ROLE} connection limit -1`);
        return nowMs();
      },
    };
  },
};

function promotion(servers: Servers): Healing {
  return {
    heal: async () => {
      await servers.promote();
      return nowMs();
    },
    restore: () => servers.rejoin(),
  };
}

async function onTheLine(
  servers: Servers,
  { target }: PlannedFault,
  mode: FaultMode,
): Promise<Healing> {
  const proxies = servers.at(target).map(({ proxy }) => proxy);
  await Promise.all(proxies.map((proxy) => proxy.setMode(mode)));
  return {
    heal: async () => {
      await Promise.all(proxies.map(clear));
      return nowMs();
    },
  };
}

/** Bytes that were swallowed are missing from the stream: a connection that lived on would take one answer for another. */
function clear(proxy: FaultProxy): Promise<void> {
  if (proxy.mode !== 'refuse') proxy.killAll();
  return proxy.setMode('pass');
}
