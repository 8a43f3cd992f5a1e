// Every room keeps the promises of its shape.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Events } from '../kernel/events.js';
import type { EventName } from '../kernel/events.js';
import { EventLoopLag } from '../telemetry/event-loop-lag.js';
import { QueryMetrics } from '../telemetry/query-metrics.js';
import { FakeClock } from '../testing/fake-clock.js';
import { FakeDatabaseView } from '../testing/fake-database-view.js';
import type { Capability } from './capability.js';
import { HEALTH_DEFAULTS } from './health/health.options.js';
import { HealthService } from './health/health.service.js';
import { MONITOR_DEFAULTS } from './monitor/monitor.options.js';
import { DatabaseMonitorService } from './monitor/monitor.service.js';

interface World {
  readonly clock: FakeClock;
  readonly events: Events;
  readonly view: FakeDatabaseView;
}

type Build = (world: World, isEnabled: boolean) => Capability;

const rooms: ReadonlyArray<readonly [string, Build]> = [
  [
    'health',
    (world, isEnabled) =>
      new HealthService({ ...world, options: isEnabled ? HEALTH_DEFAULTS : false }),
  ],
  [
    'monitor',
    (world, isEnabled) =>
      new DatabaseMonitorService({
        ...world,
        instance: 'default',
        options: isEnabled ? MONITOR_DEFAULTS : false,
        queries: new QueryMetrics(world.events, world.clock, 60_000),
        lag: new EventLoopLag(world.clock, 60_000),
      }),
  ],
];

const HEARD: readonly EventName[] = ['query:done', 'node:disconnected', 'node:reconnect-failed'];

describe.each(rooms)('%s', (name, build) => {
  let world: World;

  beforeEach(() => {
    world = { clock: new FakeClock(), events: new Events(), view: new FakeDatabaseView() };
  });

  const isSilent = (): boolean =>
    world.clock.pendingTimers === 0 && !HEARD.some((event) => world.events.has(event));

  it('goes by the name of its slice', () => {
    expect(build(world, true).name).toBe(name);
  });

  it('does nothing before its start, and tells a snapshot all the same', () => {
    const room = build(world, true);
    expect(room.snapshot()).toBeDefined();
    expect(isSilent()).toBe(true);
  });

  it('works from start to stop, whatever is called twice, and leaves nothing behind', async () => {
    const room = build(world, true);
    await room.start();
    await room.start();
    await world.clock.elapseMs(10_000);
    expect(world.clock.pendingTimers).toBeGreaterThan(0);
    await Promise.all([room.stop(), room.stop()]);
    await world.clock.elapseMs(10_000);
    expect(isSilent()).toBe(true);
    expect(room.snapshot()).toBeDefined();
  });

  it('stops without having been started', async () => {
    await build(world, true).stop();
    expect(isSilent()).toBe(true);
  });

  it('starts nothing when it is off', async () => {
    const room = build(world, false);
    await room.start();
    expect(room.isEnabled).toBe(false);
    expect(isSilent()).toBe(true);
  });

  it('reports what fails and goes on', async () => {
    const failures: string[] = [];
    world.events.on('work:failed', ({ work }) => failures.push(work));
    const room = build(world, true);
    await room.start();
    const { nodes } = world.view;
    world.view.nodes = () => {
      throw new Error('broken');
    };
    await world.clock.elapseMs(3_500);
    world.view.nodes = nodes.bind(world.view);
    const known = failures.length;
    expect(new Set(failures)).toEqual(new Set([name]));
    await world.clock.elapseMs(5_000);
    expect(failures).toHaveLength(known);
    await room.stop();
  });
});
