// What a peer can be asked for, whatever it is made of.
import { ROWS, TEXTS } from '../schema.js';
import type { Row } from '../schema.js';

/** Sends a text with its values; gives the rows. */
export type Ask = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

/** A peer that takes SQL. */
export interface SqlPeer {
  readonly read: Ask;
  readonly write: Ask;
  /** Runs `work` between BEGIN and COMMIT. */
  transaction<T>(work: (ask: Ask) => Promise<T>, options: { readOnly: boolean }): Promise<T>;
}

/** What workloads ask for; keys are of existing rows. */
export interface Operations {
  point(id: number): Promise<unknown>;
  wide(count: number): Promise<unknown>;
  wideTyped(count: number): Promise<unknown>;
  /** Gives the new key. */
  insert(value: string): Promise<unknown>;
  update(id: number, note: string): Promise<unknown>;
  /** Reads the account and then updates it; gives what was read. */
  transaction(id: number, note: string): Promise<unknown>;
  /** Reads a point; gives its row. */
  transactionShort(id: number): Promise<unknown>;
  /** Reads a point in a read-only transaction; gives its row. */
  readOnly(id: number): Promise<unknown>;
  /** Gives the SQLSTATE that the server refuses it with. */
  failing(): Promise<unknown>;
}

/** Somebody who is measured; made by an opener, and closed with the pools it was opened on. */
export interface Peer {
  readonly name: string;
  readonly operations: Partial<Operations>;
  /** What takes texts as they are. */
  readonly sql?: SqlPeer;
}

/** SQLSTATE of the error that `work` has to fail with. */
async function sqlStateOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    const { sqlState, code } = error as { sqlState?: string; code?: string };
    return sqlState ?? code;
  }
  throw new Error('what has to fail did not fail');
}

/** A peer that sends the texts of all as they are. */
export function sqlPeer(name: string, sql: SqlPeer): Required<Peer> {
  const { read, write } = sql;
  const point = async (ask: Ask, id: number): Promise<unknown> => (await ask(TEXTS.point, [id]))[0];
  const operations: Operations = {
    point: (id) => point(read, id),
    wide: (count) => read(TEXTS.wide, [count]),
    wideTyped: (count) => read(TEXTS.wideTyped, [count]),
    insert: async (value) => (await write(TEXTS.insert, [value]))[0]?.['id'],
    update: (id, note) => write(TEXTS.update, [id, note]),
    transaction: (id, note) =>
      sql.transaction(
        async (ask) => {
          const [row] = await ask(TEXTS.account, [id]);
          await ask(TEXTS.update, [id, note]);
          return row;
        },
        { readOnly: false },
      ),
    transactionShort: (id) => sql.transaction((ask) => point(ask, id), { readOnly: false }),
    readOnly: (id) => sql.transaction((ask) => point(ask, id), { readOnly: true }),
    failing: () => sqlStateOf(write(TEXTS.failing, [1, 'twice'])),
  };
  return { name, sql, operations };
}

/** A key for the call `n`: neighbours in time are no neighbours in the table. */
export function keyOf(n: number): number {
  // A prime that shares no divisor with ROWS: all keys come before one comes again.
  return (n * 7_919) % ROWS;
}
