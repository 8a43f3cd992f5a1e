// Transactions: of two statements, of one, and read-only.
import { strictEqual } from 'node:assert/strict';
import { keyOf } from '../peers/peer.js';
import type { Peer } from '../peers/peer.js';
import { BARE, EVERYBODY } from '../peers/peers.js';
import { checkPoint } from '../schema.js';
import { callingWorkload, required } from './workload.js';
import type { Job, Scene } from './workload.js';
import { mustHaveNote } from './writes.js';

/** Reads and updates the same account. */
export function transactionJob({ name, operations }: Peer, scene: Scene): Job {
  const run = required(operations.transaction, name, 'transaction');
  return {
    call: (n) => run(keyOf(n), name),
    verify: async () => {
      await run(4_711, 'nobody');
      const before = (await run(4_711, name)) as { id: number; note: string };
      strictEqual(before.id, 4_711);
      strictEqual(before.note, 'nobody');
      await mustHaveNote(scene, 4_711, name);
    },
  };
}

/** Two statements. */
export const transaction = callingWorkload({
  name: 'transaction',
  about: 'BEGIN, one read and one update of one random row by its primary key, COMMIT.',
  peers: EVERYBODY,
  job: transactionJob,
});

const ONE_READ = {
  transactionShort: 'BEGIN, one read by primary key, COMMIT.',
  readOnly: 'BEGIN READ ONLY, one read by primary key, COMMIT.',
} as const;

/** One statement, and one in a transaction that may only read. */
export const shortTransactions = (['transactionShort', 'readOnly'] as const).map((name) =>
  callingWorkload({
    name,
    about: ONE_READ[name],
    peers: BARE,
    job: ({ name: peer, operations }) => {
      const run = required(operations[name], peer, name);
      return {
        call: (n) => run(keyOf(n)),
        verify: async () => checkPoint(await run(4_711), 4_711),
      };
    },
  }),
);
