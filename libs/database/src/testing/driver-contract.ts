// What every driver promises the pool. Run against a real server and against the fake one.
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import type { Connection } from '../driver/driver.js';
import {
  ConnectionError,
  DatabaseError,
  ParameterError,
  QueryAbortedError,
  QueryError,
} from '../kernel/errors.js';
import type { QueryResult, Statement } from '../query/query.js';
import type { ContractCase } from './contract-case.js';

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
  /** Runs until it is cancelled. */
  slow: 'SELECT pg_sleep(60)',
  /** Refused with 42601. */
  wrong: 'SELEC',
  copyIn: 'COPY pg_temp.contract FROM STDIN',
  /** Two rows: 1 and 2. */
  copyOut: 'COPY (SELECT 1 UNION ALL SELECT 2) TO STDOUT',
});

/** The answer to one statement. */
interface Answer {
  readonly error: DatabaseError | undefined;
  readonly result: unknown;
}

/** Executes, and fails when the reply comes twice. */
function ask(connection: Connection, statement: Statement | string): Promise<Answer> {
  const parcel = typeof statement === 'string' ? { text: statement } : statement;
  return new Promise((resolve, reject) => {
    let replies = 0;
    connection.execute(parcel, {
      replied: (error, result) => {
        if (++replies > 1) reject(new Error(`${parcel.text} was answered twice`));
        // A second reply in the same turn would still be seen.
        setImmediate(() => resolve({ error, result }));
      },
    });
  });
}

async function rowsOf(connection: Connection, text: string): Promise<unknown[]> {
  const { error, result } = await ask(connection, text);
  assert.equal(error, undefined);
  return (result as QueryResult).rows;
}

/** Cancels until the statement has been answered: the request may be faster than the statement. */
async function cancelUntilAnswered(
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

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

type OnConnection = (connection: Connection, subject: DriverSubject) => Promise<void>;

const STATEMENTS: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'opens a session outside of any transaction',
    async (connection) => {
      assert.ok(connection.isUsable);
      assert.ok(connection.backendPid > 0);
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
  [
    'answers with rows, their count, the command and the fields',
    async (connection) => {
      const { error, result } = await ask(connection, CONTRACT_SQL.one);
      assert.equal(error, undefined);
      const { rows, rowCount, command, fields } = result as QueryResult;
      assert.deepEqual(rows, [{ one: 1 }]);
      assert.deepEqual([rowCount, command, fields.length], [1, 'SELECT', 1]);
    },
  ],
  [
    'answers an empty statement',
    async (connection) => {
      const { error } = await ask(connection, '');
      assert.equal(error, undefined);
    },
  ],
  [
    'binds values',
    async (connection) => {
      const { result } = await ask(connection, { text: CONTRACT_SQL.echo, values: ["o'clock"] });
      assert.deepEqual((result as QueryResult).rows, [{ value: "o'clock" }]);
    },
  ],
  [
    'is ready for the next statement inside the reply',
    async (connection) => {
      const second = await new Promise<Answer>((resolve) => {
        connection.execute(
          { text: CONTRACT_SQL.one },
          { replied: () => void ask(connection, CONTRACT_SQL.one).then(resolve) },
        );
      });
      assert.deepEqual((second.result as QueryResult).rows, [{ one: 1 }]);
    },
  ],
  [
    'is ready for the next statement inside the reply to a failed one',
    async (connection) => {
      const second = await new Promise<Answer>((resolve) => {
        connection.execute(
          { text: CONTRACT_SQL.wrong },
          { replied: () => void ask(connection, CONTRACT_SQL.one).then(resolve) },
        );
      });
      assert.deepEqual((second.result as QueryResult).rows, [{ one: 1 }]);
    },
  ],
  [
    'keeps the connection after an error of the server, which is typed',
    async (connection) => {
      const { error } = await ask(connection, CONTRACT_SQL.wrong);
      assert.ok(error instanceof QueryError);
      assert.deepEqual([error.sqlState, error.outage, error.safeToRetry], ['42601', false, false]);
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'refuses a value that cannot be sent, before anything is',
    async (connection) => {
      const { error } = await ask(connection, { text: CONTRACT_SQL.echo, values: [Symbol('s')] });
      assert.ok(error instanceof ParameterError);
      assert.equal(error.safeToRetry, true);
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'knows at each reply where the transaction stands',
    async (connection) => {
      const seen: string[] = [];
      for (const text of ['BEGIN', CONTRACT_SQL.wrong, CONTRACT_SQL.one, 'COMMIT']) {
        const { error, result } = await ask(connection, text);
        const told = error?.sqlState ?? (result as QueryResult).command;
        seen.push(`${told} ${connection.transactionStatus}`);
      }
      assert.deepEqual(seen, ['BEGIN open', '42601 failed', '25P02 failed', 'ROLLBACK idle']);
    },
  ],
  [
    'goes back to a savepoint',
    async (connection) => {
      for (const text of ['BEGIN', 'SAVEPOINT a', CONTRACT_SQL.wrong]) await ask(connection, text);
      await ask(connection, 'ROLLBACK TO SAVEPOINT a');
      assert.equal(connection.transactionStatus, 'open');
      const { error } = await ask(connection, 'ROLLBACK TO SAVEPOINT b');
      assert.equal(error?.sqlState, '3B001');
      await ask(connection, 'ROLLBACK');
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
];

const CANCELLING: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'cancels what runs, and is usable afterwards',
    async (connection) => {
      const { error } = await cancelUntilAnswered(connection, ask(connection, CONTRACT_SQL.slow));
      assert.ok(error instanceof QueryAbortedError);
      assert.equal(error.sqlState, '57014');
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'never cancels the statement after the one that was meant',
    async (connection) => {
      for (let round = 0; round < 20; round++) {
        await cancelUntilAnswered(connection, ask(connection, CONTRACT_SQL.slow));
        assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
      }
    },
  ],
  [
    'has nothing to cancel on a connection that rests',
    async (connection) => {
      await connection.cancel(2_000);
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
];

/** Reasons that `onClosed` was called with. */
function watchEnd(connection: Connection): string[] {
  const reasons: string[] = [];
  connection.onClosed = (reason) => void reasons.push(reason);
  return reasons;
}

/** What holds of every connection that is over. */
async function isOver(connection: Connection, reasons: readonly string[]): Promise<void> {
  assert.equal(reasons.length, 1, `onClosed was called ${reasons.length} times`);
  assert.equal(connection.isUsable, false);
  const { error } = await ask(connection, CONTRACT_SQL.one);
  assert.ok(error instanceof ConnectionError);
  assert.equal(error.safeToRetry, true);
  await connection.cancel(1_000);
  await connection.end(1_000);
  connection.destroy();
  assert.equal(reasons.length, 1, 'onClosed was called again');
}

const ENDING: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'says goodbye once, and answers nothing afterwards',
    async (connection) => {
      const reasons = watchEnd(connection);
      await connection.end(2_000);
      await isOver(connection, reasons);
    },
  ],
  [
    'is destroyed at once, with an answer to what runs',
    async (connection, subject) => {
      const reasons = watchEnd(connection);
      const running = ask(connection, CONTRACT_SQL.slow);
      connection.destroy();
      assert.equal(connection.isUsable, false);
      const { error } = await running;
      assert.ok(error instanceof ConnectionError);
      assert.deepEqual([error.safeToRetry, error.outage], [false, true]);
      await isOver(connection, reasons);
      // The server runs the statement on: it learns of the end when it wants to answer.
      await subject.kill(connection);
    },
  ],
  [
    'tells that the server ended it, to what runs and to its owner',
    async (connection, subject) => {
      const reasons = watchEnd(connection);
      const running = ask(connection, CONTRACT_SQL.slow);
      await subject.kill(connection);
      const { error } = await running;
      assert.ok(error instanceof ConnectionError);
      assert.deepEqual([error.safeToRetry, error.outage], [false, true]);
      await isOver(connection, reasons);
    },
  ],
  [
    'tells its owner that it was ended while it rested',
    async (connection, subject) => {
      const reasons: string[] = [];
      const closed = new Promise<void>((resolve) => {
        connection.onClosed = (reason) => {
          reasons.push(reason);
          resolve();
        };
      });
      await subject.kill(connection);
      await closed;
      await isOver(connection, reasons);
    },
  ],
];

const COPYING: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'copies in and counts the rows',
    async (connection) => {
      await ask(connection, 'CREATE TEMP TABLE contract (n int)');
      const rows = await connection.copyIn(CONTRACT_SQL.copyIn, Readable.from(['1\n2\n', '3\n']));
      assert.equal(rows, 3);
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'gives the connection up when the source of a copy fails',
    async (connection) => {
      await ask(connection, 'CREATE TEMP TABLE contract (n int)');
      const source = Readable.from(
        (async function* () {
          yield '1\n';
          throw new Error('the disk is gone');
        })(),
      );
      const error = await failureOf(connection.copyIn(CONTRACT_SQL.copyIn, source));
      assert.ok(error instanceof QueryError);
      assert.match(error.message, /the disk is gone/);
      assert.equal(connection.isUsable, false);
    },
  ],
  [
    'copies out',
    async (connection) => {
      const sink = new PassThrough();
      const rows = await connection.copyOut(CONTRACT_SQL.copyOut, sink);
      assert.equal(rows, 2);
      assert.equal(String(sink.read()), '1\n2\n');
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
];

async function cannotConnect(connecting: Promise<Connection>): Promise<void> {
  const error = await failureOf(connecting);
  assert.ok(error instanceof ConnectionError);
  const { safeToRetry, outage, transient } = error;
  assert.deepEqual(
    { safeToRetry, outage, transient },
    { safeToRetry: true, outage: true, transient: true },
  );
}

/** The promises of a driver. Each case opens a connection of its own and closes it. */
export function driverContract(subject: DriverSubject): ContractCase[] {
  const onConnection = ([name, check]: readonly [string, OnConnection]): ContractCase => ({
    name,
    run: async () => {
      const connection = await subject.connect();
      try {
        await check(connection, subject);
      } finally {
        connection.destroy();
      }
    },
  });
  return [
    ...[...STATEMENTS, ...CANCELLING, ...ENDING, ...COPYING].map(onConnection),
    {
      name: 'says that nobody listens, and that asking again may help',
      run: () => cannotConnect(subject.connectToNobody()),
    },
    {
      name: 'gives up on a server that never answers',
      run: () => cannotConnect(subject.connectToSilence()),
    },
  ];
}
