// What changes with the number of callers, and with the number of different texts.
import { keyOf } from '../peers/peer.js';
import { BARE } from '../peers/peers.js';
import type { PeerName } from '../peers/peers.js';
import { checkPoint, TEXTS } from '../schema.js';
import { pointJob } from './reads.js';
import { callingWorkload, required } from './workload.js';

/** `point` with other numbers of callers. */
export const concurrency = [1, 4, 16, 64, 256, 1_000].map((callers) =>
  callingWorkload({
    name: `concurrency/${callers}`,
    about: `\`point\` with ${callers} ${callers === 1 ? 'caller' : 'callers'}.`,
    peers: BARE,
    callers,
    job: pointJob,
  }),
);

/**
 * Whoever prepares each text on each of 20 connections holds 200,000 prepared statements of 10,000 texts, about 10 kB
 * each in the server: not on a machine that others use too.
 */
const WITHOUT_LIMIT: readonly PeerName[] = ['pg.Pool named', 'postgres.js'];

/** `point` with other numbers of texts. */
export const fingerprints = [10, 100, 1_000, 10_000].map((count) => {
  const peers = count < 10_000 ? BARE : BARE.filter((name) => !WITHOUT_LIMIT.includes(name));
  const missing =
    peers === BARE ? '' : ' Without those who would prepare all of them on each connection.';
  return callingWorkload({
    name: `fingerprints/${count}`,
    about: `\`point\` with ${count} different texts, in turn.${missing}`,
    peers,
    job: ({ name, sql }) => {
      const { read } = required(sql, name, 'SQL');
      const texts = Array.from({ length: count }, (_, index) => `${TEXTS.point} /* ${index} */`);
      const call = (n: number) => read(texts[n % count] ?? TEXTS.point, [keyOf(n)]);
      return {
        call,
        verify: async () => checkPoint((await call(3))[0], keyOf(3)),
      };
    },
  });
});
