// What a driver promises about statements: answers, errors, transactions, cancelling.
import assert from 'node:assert/strict';
import { ParameterError, QueryAbortedError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { QueryResult } from '../query/query.js';
import { ask, cancelUntilAnswered, CONTRACT_SQL, rowsOf } from './driver-subject.js';
import type { Answer, OnConnection } from './driver-subject.js';

/** One statement at a time. */
export const STATEMENTS: ReadonlyArray<readonly [string, OnConnection]> = [
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
    'counts the bytes that come from the server',
    async (connection) => {
      const before = connection.bytesRead;
      await ask(connection, CONTRACT_SQL.one);
      assert.ok(connection.bytesRead > before);
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
    'refuses after the call and not inside of it: thousands, each given in the reply to the last one, find their stack',
    async (connection) => {
      const bad = { text: CONTRACT_SQL.echo, values: [Symbol('s')] };
      let left = 20_000;
      await new Promise<void>((resolve) => {
        const replied = (): void => (left-- > 0 ? give() : resolve());
        const give = (): void => connection.execute(bad, { replied });
        give();
      });
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

/** Stopping what runs. */
export const CANCELLING: ReadonlyArray<readonly [string, OnConnection]> = [
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
