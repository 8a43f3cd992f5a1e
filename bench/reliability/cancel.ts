// Cancel collateral: how often a cancel hits the NEXT statement of its connection. Ours, beside a careless cancel with `pg`
// and beside postgres.js: `node --import ./test/support/register-ts.mjs bench/reliability/cancel.ts [--rounds 800]`.
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import pg from 'pg';
import postgres from 'postgres';
import { startCluster } from '../../test/support/cluster.js';
import { Logger } from '@nestjs/common';
import { DatabaseCore } from '../../libs/database/src/database.core.js';
import { resolveOptions } from '../../libs/database/src/database.options.js';
import { DatabaseService } from '../../libs/database/src/database.service.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '800' } } });
const rounds = Number(values.rounds);
const LIMIT_MS = 5;
/** Ends by itself about when it is cancelled: the request arrives now before its end, now after it. */
const victimOf = (round: number): string => `select pg_sleep(${(LIMIT_MS + (round % 4)) / 1_000})`;
const INNOCENT = 'select pg_sleep(0.003)';

/** One way to cancel. */
interface Contestant {
  readonly name: string;
  /** Runs the victim and cancels it; resolves when its caller has an answer. */
  cancelOne(victim: string): Promise<unknown>;
  innocent(): Promise<unknown>;
  close(): Promise<unknown>;
}

Logger.overrideLogger(['error']);
const cluster = await startCluster();
const url = cluster.primary.url();

async function ours(): Promise<Contestant> {
  const core = new DatabaseCore(resolveOptions({ url, pool: { max: 1, min: 1 } }));
  await core.start();
  const db = new DatabaseService(core);
  return {
    name: 'nestjs-database',
    cancelOne: (victim) => db.query(victim, [], { timeoutMs: LIMIT_MS }),
    innocent: () => db.query(INNOCENT),
    close: () => core.close(),
  };
}

/** Sends the request, and goes on as soon as the victim has its answer: as a helper of ten lines would. */
async function careless(): Promise<Contestant> {
  const client = new pg.Client(url);
  await client.connect();
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [index, word] of [16, 80_877_102, processID, secretKey].entries()) {
    request.writeInt32BE(word, index * 4);
  }
  const cancel = (): void => {
    const socket = connect(cluster.primary.port, '127.0.0.1', () => socket.end(request));
    socket.on('error', () => undefined).resume();
  };
  return {
    name: 'pg, careless',
    cancelOne: (victim) => {
      setTimeout(cancel, LIMIT_MS);
      return client.query(victim);
    },
    innocent: () => client.query(INNOCENT),
    close: () => client.end(),
  };
}

function postgresJs(): Contestant {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  return {
    name: 'postgres.js',
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
async function measure(contestant: Contestant): Promise<[number, number]> {
  let stopped = 0;
  let collateral = 0;
  for (let round = 0; round < rounds; round++) {
    await contestant.cancelOne(victimOf(round)).catch(() => stopped++);
    await contestant.innocent().catch((error: unknown) => {
      const state = error as { code?: string; sqlState?: string };
      if ((state.sqlState ?? state.code) !== '57014') throw error;
      collateral++;
    });
  }
  return [stopped, collateral];
}

console.log(`${rounds} rounds: cancel one statement, at once run another on the same connection`);
for (const contestant of [await ours(), await careless(), postgresJs()]) {
  await contestant.innocent();
  const [stopped, collateral] = await measure(contestant);
  console.log(
    `${contestant.name.padEnd(16)} ${String(stopped).padStart(4)} victims stopped   ${String(collateral).padStart(4)} innocent ones hit`,
  );
  await contestant.close();
}
await cluster.stop();
