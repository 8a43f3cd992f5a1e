// A server that is not next door: each piece of data comes 1 ms later, each way.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../measure.js';
import { BARE, openPeer } from '../peers/peers.js';
import type { Peer } from '../peers/peer.js';
import { runRounds } from '../rounds.js';
import type { Contestant } from '../rounds.js';
import { pointJob } from './reads.js';
import { transactionJob } from './transactions.js';
import { calling, CONNECTIONS, withPools } from './workload.js';
import type { Job, Scene, Workload } from './workload.js';

const DELAY_MS = 1;
const START_MS = 20_000;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Runs `work` with the server's URL through a proxy in a process of its own. */
async function withProxy<T>(scene: Scene, work: (url: string) => Promise<T>): Promise<T> {
  const execArgv = ['--import', path('../../test/support/register-ts.mjs')];
  const args = [String(scene.port), String(DELAY_MS)];
  const child = fork(path('latency.child.ts'), args, { execArgv });
  const exited = once(child, 'exit');
  try {
    const said = Promise.race([
      once(child, 'message'),
      exited.then(() => Promise.reject(new Error('the proxy ended before it had started'))),
    ]);
    const [{ port }] = (await within(said, START_MS, 'the start of the proxy', scene.signal)) as [
      { port: number },
    ];
    const url = new URL(scene.url);
    url.port = String(port);
    return await work(url.href);
  } finally {
    if (child.connected) child.disconnect();
    await within(exited, 5_000, 'the end of the proxy').catch(() => child.kill('SIGKILL'));
  }
}

/** What is measured through the proxy. */
interface Distant {
  readonly name: string;
  /** What is done, in the words of the report. */
  readonly what: string;
  readonly job: (peer: Peer, scene: Scene) => Job;
  /** @default those of the run */
  readonly callers?: number;
}

function latencyWorkload({ name, what, job, callers }: Distant): Workload {
  return {
    name: `latency/${name}`,
    about:
      `${what} through a proxy that delays each piece of data by ${DELAY_MS} ms, each way, rounded up to the next ` +
      'tick of its timers. It runs in a process of its own and takes its share of the cores.',
    run: (given) => {
      const scene = callers === undefined ? given : { ...given, callers };
      return withProxy(scene, (url) =>
        withPools({ url, connections: CONNECTIONS }, async (pools) => {
          const contestants: Contestant[] = [];
          for (const each of BARE) {
            const peer = await openPeer(each, pools);
            contestants.push(calling(peer.name, job(peer, scene), scene));
          }
          return runRounds(contestants, scene.rounds);
        }),
      );
    },
  };
}

/**
 * Round trips that cost something. Whoever waits for one round trip has as many calls a second as there are callers, or
 * connections, in one: 64 callers of a pool of 20 can make no more than 3.2 times as many, but for what a call takes beside
 * it. With 256 it is not the number of callers that bounds them.
 */
export const latency = [
  latencyWorkload({ name: 'point', what: '`point`', job: pointJob }),
  latencyWorkload({
    name: 'point256',
    what: '`point` with 256 callers',
    job: pointJob,
    callers: 256,
  }),
  latencyWorkload({ name: 'transaction', what: '`transaction`', job: transactionJob }),
];
