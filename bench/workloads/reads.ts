// Reads: one row by its key, and many rows of many types.
import { keyOf } from '../peers/peer.js';
import { BARE, EVERYBODY } from '../peers/peers.js';
import type { PeerName } from '../peers/peers.js';
import type { Peer } from '../peers/peer.js';
import { checkPoint, checkWide, checkWideTyped } from '../schema.js';
import { callingWorkload, required } from './workload.js';
import type { Job, Workload } from './workload.js';

/** One row by its primary key, with the peer's own words. */
export function pointJob({ name, operations }: Peer): Job {
  const point = required(operations.point, name, 'point');
  return {
    call: (n) => point(keyOf(n)),
    verify: async () => checkPoint(await point(4_711), 4_711),
  };
}

/** One row by its primary key. */
export const point = callingWorkload({
  name: 'point',
  about: 'Reads two columns of one row by its primary key.',
  peers: EVERYBODY,
  withPgbench: true,
  job: pointJob,
});

function wideWorkload(
  name: string,
  of: { readonly rows: number; readonly peers: readonly PeerName[]; readonly typed: boolean },
): Workload {
  const { rows, peers, typed } = of;
  const types = typed
    ? 'int, bool, timestamptz, float8 and text, whose binary form is short'
    : 'int, bigint, text, bool, float8, numeric, timestamptz, date, uuid and jsonb';
  return callingWorkload({
    name,
    about: `Reads ${rows} rows of 10 columns: ${types}.`,
    peers,
    job: ({ name: peer, operations }) => {
      const read = required(operations[typed ? 'wideTyped' : 'wide'], peer, name);
      const check = typed ? checkWideTyped : checkWide;
      return {
        call: () => read(rows),
        verify: async () => check(await read(rows), rows),
      };
    },
  });
}

/** Rows that a page of a list has, and those that a report has. */
export const wide: readonly Workload[] = [
  wideWorkload('wide', { rows: 100, peers: EVERYBODY, typed: false }),
  wideWorkload('wide1000', { rows: 1_000, peers: BARE, typed: false }),
  wideWorkload('wideTyped', { rows: 100, peers: BARE, typed: true }),
];
