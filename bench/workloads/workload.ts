// The shape of a workload, and the one that most of them have: callers that call as fast as they are answered.
import { measureCalls } from '../measure.js';
import type { Call } from '../measure.js';
import { openPeer } from '../peers/peers.js';
import type { PeerName } from '../peers/peers.js';
import type { Peer } from '../peers/peer.js';
import type { Pgbench } from '../peers/pgbench.js';
import { Pools } from '../peers/pools.js';
import type { PoolTarget } from '../peers/pools.js';
import { runRounds } from '../rounds.js';
import type { Contestant } from '../rounds.js';
import type { Result } from '../statistics.js';
import type { Row } from '../schema.js';

/** Connections of everybody, unless the workload is about their number. */
export const CONNECTIONS = 20;

/** What a run gives to its workloads. */
export interface Scene {
  readonly url: string;
  readonly port: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly callers: number;
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal;
  /** Undefined where it is not installed. */
  readonly pgbench: Pgbench | undefined;
  /** Rows of a statement, on a connection of its own. */
  sql(text: string, values?: unknown[]): Promise<Row[]>;
}

/** One line of the list of workloads. */
export interface Workload {
  /** As in `--only`; parameters come after a slash. */
  readonly name: string;
  /** What is measured, in a sentence or two. */
  readonly about: string;
  /** Opens what it needs, and closes it in any case. */
  run(scene: Scene): Promise<Result[]>;
}

/** What callers call, and how the answer is checked. */
export interface Job {
  readonly call: Call;
  /** @throws unless the first answer is right */
  verify(): Promise<void>;
}

/** Somebody who calls in rounds. */
export function calling(
  name: string,
  job: Job,
  { seconds, signal, callers }: Pick<Scene, 'seconds' | 'signal' | 'callers'>,
): Contestant {
  return {
    name,
    verify: () => job.verify(),
    round: () => measureCalls(job.call, { seconds, callers, signal }),
  };
}

/** Lets `work` stand on pools, and closes them whatever happens. */
export async function withPools<T>(
  target: PoolTarget,
  work: (pools: Pools) => Promise<T>,
): Promise<T> {
  const pools = new Pools(target);
  let answer: T;
  try {
    answer = await work(pools);
  } catch (error) {
    // What went wrong first is what has to be heard of.
    await pools.close().catch(() => undefined);
    throw error;
  }
  await pools.close();
  return answer;
}

/** A workload of calls. */
export interface CallingWorkload {
  readonly name: string;
  readonly about: string;
  readonly peers: readonly PeerName[];
  /** Over those of the run. */
  readonly callers?: number;
  readonly withPgbench?: boolean;
  job(peer: Peer, scene: Scene): Job;
}

/** Makes it one of the list. */
export function callingWorkload(workload: CallingWorkload): Workload {
  const { name, about, peers, withPgbench = false } = workload;
  return {
    name,
    about,
    run: (scene) => {
      const { url, seconds, rounds, signal } = scene;
      const target = {
        url,
        connections: CONNECTIONS,
        typeorm: peers.includes('TypeORM on nestjs-database'),
      };
      return withPools(target, async (pools) => {
        const settings = { seconds, signal, callers: workload.callers ?? scene.callers };
        const contestants: Contestant[] = [];
        for (const each of peers) {
          const peer = await openPeer(each, pools);
          contestants.push(calling(peer.name, workload.job(peer, scene), settings));
        }
        const { pgbench } = scene;
        if (withPgbench && pgbench !== undefined) {
          contestants.push({
            name: 'pgbench',
            verify: () => pgbench.prepare(signal),
            round: () => pgbench.round(seconds, signal),
          });
        }
        return runRounds(contestants, rounds);
      });
    },
  };
}

/**
 * An operation that this peer has to have.
 * @throws naming who lacks it
 */
export function required<T>(part: T | undefined, peer: string, what: string): T {
  if (part !== undefined) return part;
  throw new Error(`${peer} has no ${what}: leave it out of this workload`);
}
