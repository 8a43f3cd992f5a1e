// All nodes: who is primary, probes side by side, and what follows a change.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import { FakeClock } from '../testing/fake-clock.js';
import type { NodeProbe, ProbeAnswer } from './node-probe.js';
import { Node } from './node.js';
import type { DeclaredRole } from './node.js';
import { Topology } from './topology.js';

const boom = new Error('ECONNREFUSED');

/** A server that the test turns this way and that. */
class Server {
  answer: Partial<ProbeAnswer> | Error = { role: 'replica' };
  takesMs = 0;
  asked = 0;
  closed = 0;

  constructor(private readonly clock: FakeClock) {}

  readonly probe = {
    ask: async (): Promise<ProbeAnswer> => {
      this.asked++;
      if (this.takesMs > 0) await this.clock.sleep(this.takesMs);
      if (this.answer instanceof Error) throw this.answer;
      return {
        role: 'replica',
        lsn: 100n,
        endLsn: 100n,
        askedAtMs: this.clock.monotonicMs(),
        receivedLsn: 100n,
        replayAgeMs: 0,
        timeline: this.answer.role === 'primary' ? 1 : undefined,
        systemId: '7',
        serverVersion: 180_000,
        latencyMs: 1,
        ...this.answer,
      };
    },
    close: () => void this.closed++,
  } as unknown as NodeProbe;
}

let clock: FakeClock;
let events: Events;
let servers: Server[];
let topology: Topology;
let changes: unknown[];
let cuts: string[];
let evicted: string[];
let alarms: unknown[];

beforeEach(() => {
  clock = new FakeClock();
  events = new Events();
  changes = [];
  cuts = [];
  evicted = [];
  alarms = [];
  events.on('primary:conflict', (facts) => alarms.push(facts));
  events.on('node:foreign', (facts) => alarms.push(facts));
  events.on('primary:changed', (facts) => changes.push(facts));
});

afterEach(async () => {
  const stopping = topology.stop();
  await clock.elapseMs(60_000);
  await stopping;
  expect(clock.pendingTimers).toBe(0);
});

/** A topology of nodes a, b, c..., probed once a second. */
function build(...roles: DeclaredRole[]): void {
  servers = roles.map(() => new Server(clock));
  const probed = roles.map((declaredRole, index) => {
    const name = 'abc'[index] as string;
    const node = new Node({
      name,
      address: name,
      declaredRole,
      clock,
      events,
      enter: () => undefined,
      load: () => 0,
      isPassable: () => true,
      isWatched: () => true,
      suspect: () => undefined,
      sever: () => cuts.push(name),
      slowStartMs: 1_000,
      evict: (which) => evicted.push(`${name} ${which}`),
    });
    return { node, probe: (servers[index] as Server).probe };
  });
  topology = new Topology(probed, { clock, events, probeIntervalMs: 1_000 });
}

const server = (index: number): Server => servers[index] as Server;
const primary = (timeline = 1): Partial<ProbeAnswer> => ({ role: 'primary', timeline });

describe('probing', () => {
  it('begins at once, and goes on about once a second', async () => {
    build('auto', 'auto');
    topology.start();
    await clock.elapseMs(0);
    expect(servers.map(({ asked }) => asked)).toEqual([1, 1]);
    await clock.elapseMs(10_000);
    for (const { asked } of servers) {
      expect(asked).toBeGreaterThanOrEqual(9);
      expect(asked).toBeLessThanOrEqual(12);
    }
  });

  it('is not held up by a node that hangs', async () => {
    build('auto', 'auto');
    server(0).takesMs = 30_000;
    topology.start();
    await clock.elapseMs(5_000);
    expect(server(0).asked).toBe(1);
    expect(server(1).asked).toBeGreaterThanOrEqual(4);
  });

  it('asks a node that fails a second time at once, and only then cuts its sockets', async () => {
    build('primary');
    server(0).answer = primary();
    topology.start();
    await clock.elapseMs(0);
    server(0).answer = boom;
    server(0).asked = 0;
    await clock.elapseMs(1_200);
    expect(server(0).asked).toBe(2);
    expect(cuts).toEqual(['a']);
    expect(topology.reachablePrimary()).toBeUndefined();
    expect(topology.lastFailure()).toBe(boom);
  });

  it('forgives a node that answers the second time', async () => {
    build('primary');
    server(0).answer = primary();
    topology.start();
    await clock.elapseMs(0);
    const { probe } = server(0);
    const { ask } = probe;
    probe.ask = () => {
      probe.ask = ask;
      return Promise.reject(boom);
    };
    await clock.elapseMs(1_200);
    expect(cuts).toEqual([]);
    expect(topology.reachablePrimary()?.name).toBe('a');
  });

  it('ends with the topology, and its connections too', async () => {
    build('auto', 'auto');
    server(0).takesMs = 500;
    topology.start();
    const stopping = topology.stop();
    await clock.elapseMs(500);
    await stopping;
    await topology.stop();
    const asked = servers.map((one) => one.asked);
    await clock.elapseMs(10_000);
    expect(servers.map((one) => one.asked)).toEqual(asked);
    expect(servers.every(({ closed }) => closed >= 1)).toBe(true);
  });
});

describe('the roles', () => {
  it('are found', async () => {
    build('auto', 'auto', 'auto');
    server(1).answer = primary();
    expect(topology.primary()).toBeUndefined();
    topology.start();
    await clock.elapseMs(0);
    expect(topology.primary()?.name).toBe('b');
    expect(topology.replicas().map(({ name }) => name)).toEqual(['a', 'c']);
    expect(changes).toEqual([{ from: undefined, to: 'b' }]);
  });

  it('follow a failover, and an old primary that comes back gets nothing', async () => {
    build('primary', 'replica');
    server(0).answer = primary(1);
    topology.start();
    await clock.elapseMs(0);
    server(0).answer = boom;
    await clock.elapseMs(2_000);
    expect(topology.primary()?.name).toBe('a');
    server(1).answer = primary(2);
    await clock.elapseMs(1_200);
    expect(topology.reachablePrimary()?.name).toBe('b');
    server(0).answer = primary(1);
    await clock.elapseMs(5_000);
    expect(topology.primary()?.name).toBe('b');
    server(0).answer = { role: 'replica' };
    await clock.elapseMs(1_200);
    expect(topology.replicas().map(({ name }) => name)).toEqual(['a']);
    expect(changes).toEqual([{ from: 'a', to: 'b' }]);
  });

  it('lose one that refused a write, until its next answer', async () => {
    build('auto', 'auto');
    server(0).answer = primary();
    server(0).takesMs = 10;
    topology.start();
    await clock.elapseMs(10);
    topology.demoted('a');
    expect(topology.primary()).toBeUndefined();
    expect(server(0).asked).toBe(2);
    await clock.elapseMs(10);
    expect(topology.primary()?.name).toBe('a');
    topology.demoted('nobody');
  });

  it('of a replica do not make lag of what the primary writes while the replica is asked', async () => {
    build('primary', 'replica');
    server(0).answer = { ...primary(), lsn: 100n };
    server(1).answer = { lsn: 100n, replayAgeMs: 3_600_000 };
    server(1).takesMs = 100;
    topology.start();
    await clock.elapseMs(200);
    server(0).answer = { ...primary(), lsn: 900n };
    const lags = new Set<number | undefined>();
    const leave = topology.onLook(() => lags.add(topology.nodes[1]?.lagMs));
    topology.lookNow();
    await clock.elapseMs(100);
    leave();
    expect([...lags]).toEqual([0]);
  });

  it('are looked up by name', () => {
    build('auto', 'primary');
    expect(topology.find('b')).toBe(topology.nodes[1]);
    expect(topology.find('z')).toBeUndefined();
    expect(topology.hasOthers).toBe(true);
  });
});

describe('a look now', () => {
  it('tells listeners when each answer is in, until they leave', async () => {
    build('auto', 'auto');
    topology.start();
    await clock.elapseMs(0);
    let looks = 0;
    const leave = topology.onLook(() => looks++);
    topology.lookNow();
    await clock.elapseMs(0);
    expect(looks).toBe(2);
    leave();
    topology.lookNow();
    await clock.elapseMs(0);
    expect(looks).toBe(2);
  });

  it('joins one that is under way, however often it is asked for', async () => {
    build('auto');
    server(0).takesMs = 100;
    topology.start();
    for (let i = 0; i < 50; i++) topology.lookNow();
    await clock.elapseMs(100);
    expect(server(0).asked).toBe(1);
  });

  it('does nothing before the start and after the end', async () => {
    build('auto');
    topology.lookNow();
    await topology.refreshUntil(() => false);
    expect(server(0).asked).toBe(0);
    topology.start();
    await topology.stop();
    topology.lookNow();
    await clock.elapseMs(0);
    expect(server(0).asked).toBe(1);
  });
});

describe('refreshing', () => {
  it('is over as soon as it is enough: nodes that hang are not waited for', async () => {
    build('replica', 'primary');
    server(0).takesMs = 5_000;
    server(1).answer = primary();
    topology.start();
    let isOver = false;
    void topology.refreshUntil(() => topology.primary() !== undefined).then(() => (isOver = true));
    await clock.elapseMs(0);
    expect(isOver).toBe(true);
  });

  it('is over when every node has answered or failed', async () => {
    build('auto', 'auto');
    server(0).takesMs = 300;
    server(1).answer = boom;
    topology.start();
    let isOver = false;
    void topology.refreshUntil(() => false).then(() => (isOver = true));
    await clock.elapseMs(299);
    expect(isOver).toBe(false);
    await clock.elapseMs(1);
    expect(isOver).toBe(true);
  });

  it('says why the primary was not reached, or else the first host', async () => {
    build('auto', 'primary');
    server(0).answer = new Error('first');
    server(1).answer = new Error('second');
    topology.start();
    await clock.elapseMs(0);
    expect(topology.lastFailure()).toEqual(new Error('second'));
  });
});

describe('several that say they are primary', () => {
  const conflict = { primary: 'b', refused: 'a', because: 'older timeline' };

  it('are told once: the one on the older timeline is refused, and its connections are cut', async () => {
    build('auto', 'auto');
    server(0).answer = primary(1);
    server(1).answer = primary(2);
    topology.start();
    await clock.elapseMs(10_000);
    expect(topology.primary()?.name).toBe('b');
    expect(alarms).toEqual([conflict]);
    expect(evicted).toContain('a all');
  });

  it('are told again when it was over in between', async () => {
    build('auto', 'auto');
    server(0).answer = primary(1);
    server(1).answer = primary(2);
    topology.start();
    await clock.elapseMs(2_000);
    server(0).answer = { role: 'replica' };
    await clock.elapseMs(2_000);
    expect(topology.replicas().map(({ name }) => name)).toEqual(['a']);
    server(0).answer = primary(1);
    await clock.elapseMs(2_000);
    expect(alarms).toEqual([conflict, conflict]);
  });

  it('on one timeline leave the present one where it is', async () => {
    build('auto', 'auto', 'auto');
    server(1).answer = primary(1);
    topology.start();
    await clock.elapseMs(2_000);
    server(0).answer = primary(1);
    await clock.elapseMs(5_000);
    expect(topology.primary()?.name).toBe('b');
    expect(alarms).toEqual([{ ...conflict, because: 'same timeline' }]);
    expect(changes).toEqual([{ from: undefined, to: 'b' }]);
  });

  it('follow the promotion: what still runs on the old one is cut', async () => {
    build('auto', 'auto');
    server(0).answer = primary(1);
    topology.start();
    await clock.elapseMs(2_000);
    server(0).answer = boom;
    server(1).answer = primary(2);
    await clock.elapseMs(3_000);
    expect(evicted).toEqual(['b standbys', 'a all']);
    expect(alarms).toEqual([]);
  });
});

describe('a server of another cluster', () => {
  it('is told once, and neither reads nor writes go to it', async () => {
    build('primary', 'replica', 'auto');
    server(0).answer = primary(1);
    server(1).answer = { role: 'replica', systemId: '8' };
    server(2).answer = { ...primary(9), systemId: '8' };
    topology.start();
    await clock.elapseMs(5_000);
    expect(topology.primary()?.name).toBe('a');
    expect(topology.replicas()).toEqual([]);
    expect(alarms).toEqual([
      { node: 'b', systemId: '8', expected: '7' },
      { node: 'c', systemId: '8', expected: '7' },
    ]);
    expect(topology.describe()).toBe('a: primary, b: of another cluster, c: of another cluster');
  });

  it('does not become primary because it answered first', async () => {
    build('auto', 'auto', 'auto');
    server(0).answer = primary(1);
    server(0).takesMs = server(1).takesMs = 100;
    server(2).answer = { ...primary(9), systemId: '8' };
    topology.start();
    await clock.elapseMs(50);
    expect(topology.primary()).toBeUndefined();
    await clock.elapseMs(100);
    expect(topology.primary()?.name).toBe('a');
  });
});

it('a jump of the wall clock changes nothing', async () => {
  build('auto', 'auto');
  server(0).answer = primary(1);
  topology.start();
  await clock.elapseMs(2_000);
  clock.setWall(-86_400_000);
  await clock.elapseMs(2_000);
  clock.setWall(10 * 86_400_000);
  await clock.elapseMs(2_000);
  expect(topology.primary()?.name).toBe('a');
  expect(topology.replicas().map(({ name, isReachable }) => [name, isReachable])).toEqual([
    ['b', true],
  ]);
  expect(changes).toHaveLength(1);
});

it.each([
  [0, 1, true],
  [0.5, 1, true],
  [0.5, 2, false],
  [1, 2, true],
])('with a cap of %d, %d of three replicas may be out: %s', async (ratio, out, may) => {
  build('replica', 'replica', 'replica');
  if (out > 1) server(0).answer = boom;
  topology.start();
  await clock.elapseMs(10);
  expect(topology.mayEject('b', ratio)).toBe(may);
  expect(topology.mayEject('nobody', 0)).toBe(true);
});
