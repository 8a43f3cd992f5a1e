// TypeORM's repositories on its own pool and on ours, beside the same statements without it.
import { keyOf } from '../peers/peer.js';
import type { SqlPeer } from '../peers/peer.js';
import { openPeer } from '../peers/peers.js';
import { openStockDataSource, typeormOperations } from '../peers/typeorm.js';
import type { TypeormOperations } from '../peers/typeorm.js';
import { runRounds } from '../rounds.js';
import { checkPoint, checkWide, TEXTS } from '../schema.js';
import { calling, CONNECTIONS, required, withPools } from './workload.js';
import type { Job, Scene, Workload } from './workload.js';
import { mustHaveEntry } from './writes.js';

type Method = keyof TypeormOperations;

const ABOUT: Readonly<Record<Method, string>> = {
  findOneBy: '`repository.findOneBy()` the primary key',
  find100: '`repository.find()` of 100 rows of 10 columns',
  save: '`repository.save()` of a new entity, which is a transaction',
};

/** The same statements by hand. */
function byHand(sql: SqlPeer): TypeormOperations {
  return {
    findOneBy: async (id) => (await sql.read(TEXTS.point, [id]))[0],
    find100: () => sql.read(TEXTS.wide, [100]),
    save: (value) =>
      sql.transaction(async (ask) => (await ask(TEXTS.insert, [value]))[0]?.['id'], {
        readOnly: false,
      }),
  };
}

function jobOf(method: Method, on: TypeormOperations, scene: Scene): Job {
  switch (method) {
    case 'findOneBy':
      return {
        call: (n) => on.findOneBy(keyOf(n)),
        verify: async () => checkPoint(await on.findOneBy(4_711), 4_711),
      };
    case 'find100':
      return {
        call: () => on.find100(),
        verify: async () => checkWide(await on.find100(), 100),
      };
    case 'save':
      return {
        call: () => on.save('saved'),
        verify: async () => mustHaveEntry(scene, await on.save('saved'), 'saved'),
      };
  }
}

function typeormWorkload(method: Method): Workload {
  return {
    name: `typeorm/${method}`,
    about: `${ABOUT[method]}; pg.Pool and nestjs-database run the same statements without TypeORM.`,
    run: (scene) =>
      withPools({ url: scene.url, connections: CONNECTIONS, typeorm: true }, async (pools) => {
        const ours = await pools.ours();
        const [plain, bare] = [
          await openPeer('pg.Pool', pools),
          await openPeer('nestjs-database', pools),
        ];
        const operations = {
          'pg.Pool': byHand(required(plain.sql, plain.name, 'SQL')),
          'nestjs-database': byHand(required(bare.sql, bare.name, 'SQL')),
          TypeORM: typeormOperations(await openStockDataSource(pools)),
          'TypeORM on nestjs-database': typeormOperations(ours.dataSource()),
        };
        const contestants = Object.entries(operations).map(([name, on]) =>
          calling(name, jobOf(method, on, scene), scene),
        );
        return runRounds(contestants, scene.rounds);
      }),
  };
}

/** What applications call most. */
export const typeorm = (['findOneBy', 'find100', 'save'] as const).map(typeormWorkload);
