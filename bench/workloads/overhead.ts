// What a call costs in CPU over a bare client with named statements: one after the other, and in a pipeline.
import pg from 'pg';
import { namedAsk } from '../peers/sql-peers.js';
import { openPeer } from '../peers/peers.js';
import { sqlPeer } from '../peers/peer.js';
import type { Peer } from '../peers/peer.js';
import type { Pools } from '../peers/pools.js';
import { runRounds } from '../rounds.js';
import { pointJob } from './reads.js';
import { calling, CONNECTIONS, withPools } from './workload.js';
import type { Workload } from './workload.js';

async function openClient(pools: Pools, name: string, pipeline: boolean): Promise<Peer> {
  const client = new pg.Client({ connectionString: pools.target.url, pipeline });
  client.on('error', () => undefined);
  await client.connect();
  pools.onClose(() => client.end());
  const ask = namedAsk(client);
  const transaction = async (): Promise<never> => {
    throw new Error('one connection has no transactions beside each other');
  };
  return sqlPeer(name, { read: ask, write: ask, transaction });
}

function overheadWorkload(kind: 'sequential' | 'pipelined'): Workload {
  const isPipelined = kind === 'pipelined';
  const client = isPipelined ? 'pg.Client pipelined' : 'pg.Client named';
  return {
    name: `overhead/${kind}`,
    about: isPipelined
      ? `\`point\` on one bare \`pg.Client\` with named statements in a pipeline, beside pools of ${CONNECTIONS}: look at the CPU.`
      : '`point` by one caller on one connection, the bare `pg.Client` with named statements: look at the CPU.',
    run: ({ url, seconds, rounds, signal, callers }) =>
      withPools({ url, connections: isPipelined ? CONNECTIONS : 1 }, async (pools) => {
        const peers = [
          await openPeer('pg.Pool', pools),
          await openClient(pools, client, isPipelined),
          await openPeer('nestjs-database', pools),
        ];
        const settings = { seconds, signal, callers: isPipelined ? callers : 1 };
        const contestants = peers.map((peer) => calling(peer.name, pointJob(peer), settings));
        return runRounds(contestants, rounds);
      }),
  };
}

/** The trip beside the bare wire. */
export const overhead = [overheadWorkload('sequential'), overheadWorkload('pipelined')];
