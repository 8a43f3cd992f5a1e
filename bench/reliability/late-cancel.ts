// A cancel that arrives about when its statement ends by itself: how often does it hit the next one of the connection?
import { connect } from 'node:net';
import pg from 'pg';
import { openOurs, openPostgresJs } from './scene.js';
import type { Case, Line } from './scene.js';

const ROUNDS = 800;
const LIMIT_MS = 5;
const INNOCENT = 'select pg_sleep(0.003)';

/** One way to cancel. */
interface Contestant {
  readonly who: Line['who'];
  /** Runs the victim and cancels it; resolves when its caller has an answer. */
  cancelOne(victim: string): Promise<unknown>;
  innocent(): Promise<unknown>;
  close(): Promise<unknown>;
}

async function ours(url: string): Promise<Contestant> {
  const { db, core } = await openOurs({ url, pool: { max: 1, min: 1 } });
  return {
    who: 'nestjs-database',
    cancelOne: (victim) => db.query(victim, [], { timeoutMs: LIMIT_MS }),
    innocent: () => db.query(INNOCENT),
    close: () => core.close(),
  };
}

/** Sends the request, and goes on as soon as the victim has its answer: as a helper of ten lines would. */
async function careless(url: string, port: number): Promise<Contestant> {
  const client = new pg.Client(url);
  await client.connect();
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [index, word] of [16, 80_877_102, processID, secretKey].entries()) {
    request.writeInt32BE(word, index * 4);
  }
  const cancel = (): void => {
    const socket = connect(port, '127.0.0.1', () => socket.end(request));
    socket.on('error', () => undefined).resume();
  };
  return {
    who: 'careless pg.Client',
    cancelOne: (victim) => {
      setTimeout(cancel, LIMIT_MS);
      return client.query(victim);
    },
    innocent: () => client.query(INNOCENT),
    close: () => client.end(),
  };
}

function postgresJs(url: string): Contestant {
  const sql = openPostgresJs(url, 1);
  return {
    who: 'postgres.js',
    cancelOne: (victim) => {
      const query = sql.unsafe(victim).execute();
      setTimeout(() => query.cancel(), LIMIT_MS);
      return query;
    },
    innocent: () => sql.unsafe(INNOCENT),
    close: () => sql.end(),
  };
}

/** Rounds in which the victim was stopped, and in which the innocent one was. */
async function measure(contestant: Contestant): Promise<Line> {
  let victimsStopped = 0;
  let innocentHit = 0;
  let sleepMs = LIMIT_MS;
  await contestant.innocent();
  for (let round = 0; round < ROUNDS; round++) {
    const isStopped = await contestant.cancelOne(`select pg_sleep(${sleepMs / 1_000})`).then(
      () => false,
      () => true,
    );
    if (isStopped) victimsStopped++;
    // Closes in on the moment at which the request of this contestant arrives: that is where the race is.
    sleepMs = Math.max(1, sleepMs + (isStopped ? -1 : 1));
    await contestant.innocent().catch((error: unknown) => {
      const state = error as { code?: string; sqlState?: string };
      if ((state.sqlState ?? state.code) !== '57014') throw error;
      innocentHit++;
    });
  }
  await contestant.close();
  return { who: contestant.who, figures: { victimsStopped, innocentHit } };
}

export const lateCancel: Case = {
  name: `late cancel: ${ROUNDS} times one statement is cancelled, and another follows on its connection`,
  async run({ primary }) {
    const url = primary.url();
    const lines: Line[] = [];
    lines.push(await measure(await ours(url)));
    lines.push(await measure(await careless(url, primary.port)));
    lines.push(await measure(postgresJs(url)));
    return lines;
  },
};
