// Writes: insert, update, a share of updates among reads, and what a statement costs that fails.
import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { keyOf } from '../peers/peer.js';
import type { Peer } from '../peers/peer.js';
import { BARE, EVERYBODY } from '../peers/peers.js';
import { pointJob } from './reads.js';
import { callingWorkload, required } from './workload.js';
import type { Job, Scene } from './workload.js';

/** Checks a row on a connection of its own, for a peer may not be its own witness. */
async function mustFind(scene: Scene, text: string, key: unknown, value: string): Promise<void> {
  deepStrictEqual(await scene.sql(text, [key]), [{ value }]);
}

/** Of the note that `note(name)` left at the account. */
export const mustHaveNote = (scene: Scene, id: number, note: string): Promise<void> =>
  mustFind(scene, 'select note as value from account where id = $1', id, note);

/** Of a row that was inserted under the key `id`. */
export const mustHaveEntry = (scene: Scene, id: unknown, value: string): Promise<void> =>
  mustFind(scene, 'select value from entry where id = $1', id, value);

/** One row more. */
export const insert = callingWorkload({
  name: 'insert',
  about: 'Inserts one row and gets its generated key.',
  peers: EVERYBODY,
  job: ({ name, operations }, scene) => {
    const add = required(operations.insert, name, 'insert');
    const value = `of ${name}`;
    return {
      call: () => add(value),
      verify: async () => mustHaveEntry(scene, await add(value), value),
    };
  },
});

function updateJob({ name, operations }: Peer, scene: Scene): Job {
  const update = required(operations.update, name, 'update');
  return {
    call: (n) => update(keyOf(n), name),
    verify: async () => {
      await update(4_711, name);
      await mustHaveNote(scene, 4_711, name);
    },
  };
}

/** One row by its key. */
export const update = callingWorkload({
  name: 'update',
  about: 'Updates one row by its primary key.',
  peers: EVERYBODY,
  job: updateJob,
});

/** What most applications do. */
export const mixed = callingWorkload({
  name: 'mixed',
  about: 'Of five calls, four are `point` and one is `update`.',
  peers: BARE,
  job: (peer, scene) => {
    const [reads, writes] = [pointJob(peer), updateJob(peer, scene)];
    return {
      // Scattered, so that with no number of callers some of them only write.
      call: (n) => ((Math.imul(n, 0x9e3779b1) >>> 16) % 5 === 0 ? writes : reads).call(n),
      verify: async () => {
        await reads.verify();
        await writes.verify();
      },
    };
  },
});

/** A statement that the server refuses. */
export const failing = callingWorkload({
  name: 'failing',
  about: 'Inserts a key that exists: the answer is the unique violation.',
  peers: BARE,
  job: ({ name, operations }) => {
    const fail = required(operations.failing, name, 'failing');
    return { call: fail, verify: async () => strictEqual(await fail(), '23505') };
  },
});
