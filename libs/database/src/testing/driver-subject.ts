// What the cases of the driver's contract share: the subject, its statements, and how they are asked.
import assert from 'node:assert/strict';
import type { Connection, Reply } from '../driver/driver.js';
import type { DatabaseError } from '../kernel/errors.js';
import type { QueryResult, Statement } from '../query/query.js';

/** A driver under test and the server behind it. */
export interface DriverSubject {
  /** Opens a connection; the case that asks closes it. */
  readonly connect: () => Promise<Connection>;
  /** Tries an address at which nobody listens. */
  readonly connectToNobody: () => Promise<Connection>;
  /** Tries a server that accepts and never says a word, with a short timeout. */
  readonly connectToSilence: () => Promise<Connection>;
  /** Ends the session from the server's side. */
  readonly kill: (connection: Connection) => Promise<void>;
}

/** The statements of the contract; a fake server has to know their answers. */
export const CONTRACT_SQL = Object.freeze({
  /** One row: `{ one: 1 }`. */
  one: 'SELECT 1 AS one',
  /** One row: `{ value: $1 }`, as text. */
  echo: 'SELECT $1::text AS value',
  /** One row: 1 divided by `$1`; refused with 22012 for 0. */
  divide: 'SELECT 1 / $1::int AS quotient',
  /** Runs until it is cancelled. */
  slow: 'SELECT pg_sleep(60)',
  /** Runs for `$1` seconds, or until it is cancelled. */
  sleep: 'SELECT pg_sleep($1::int)',
  /** Refused with 42601. */
  wrong: 'SELEC',
  /** Refused with 22023 when it is run: the server can read it. */
  refused: 'SET LOCAL statement_timeout = -1',
  copyIn: 'COPY pg_temp.contract FROM STDIN',
  /** Two rows: 1 and 2. */
  copyOut: 'COPY (SELECT 1 UNION ALL SELECT 2) TO STDOUT',
});

/** The answer to one statement. */
export interface Answer {
  readonly error: DatabaseError | undefined;
  readonly result: unknown;
}

/** Executes, and fails when the reply comes twice. */
export function ask(
  connection: Connection,
  statement: Statement | string,
  preface?: readonly string[],
): Promise<Answer> {
  const parcel = typeof statement === 'string' ? { text: statement } : statement;
  return new Promise((resolve, reject) => {
    let replies = 0;
    const replied: Reply['replied'] = (error, result) => {
      if (++replies > 1) reject(new Error(`${parcel.text} was answered twice`));
      // A second reply in the same turn would still be seen.
      setImmediate(() => resolve({ error, result }));
    };
    connection.execute(parcel, { replied }, preface);
  });
}

/** Rows of a statement that has to succeed. */
export async function rowsOf(connection: Connection, text: string): Promise<unknown[]> {
  const { error, result } = await ask(connection, text);
  assert.equal(error, undefined);
  return (result as QueryResult).rows;
}

/** Cancels until the statement has been answered: the request may be faster than the statement. */
export async function cancelUntilAnswered(
  connection: Connection,
  asked: Promise<Answer>,
): Promise<Answer> {
  let answer: Answer | undefined;
  void asked.then((given) => (answer = given));
  while (answer === undefined) {
    await connection.cancel(2_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
}

/** What a promise rejects with; undefined when it resolves. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** What is checked on an open connection. */
export type OnConnection = (connection: Connection, subject: DriverSubject) => Promise<void>;
