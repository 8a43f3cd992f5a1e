// What a driver promises about commands that go ahead of a statement, in its round trip.
import assert from 'node:assert/strict';
import { ConnectionError, ParameterError } from '../kernel/errors.js';
import type { QueryResult } from '../query/query.js';
import { ask, cancelUntilAnswered, CONTRACT_SQL, rowsOf } from './driver-subject.js';
import type { OnConnection } from './driver-subject.js';

/** The limit is what the second command sets; the first one opens what it holds in. */
const OPENING = ['BEGIN', 'SET LOCAL statement_timeout = 30000'];

/** Commands and the statement behind them. */
export const PREFACES: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'runs what goes ahead of a statement first, and answers the statement alone',
    async (connection) => {
      const { error, result } = await ask(connection, CONTRACT_SQL.one, OPENING);
      assert.equal(error, undefined);
      const { rows, command } = result as QueryResult;
      assert.deepEqual([rows, command], [[{ one: 1 }], 'SELECT']);
      assert.equal(connection.transactionStatus, 'open');
      await ask(connection, 'COMMIT');
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
  [
    'binds the values of a statement that something goes ahead of',
    async (connection) => {
      const statement = { text: CONTRACT_SQL.echo, values: ['v'] };
      const { result } = await ask(connection, statement, OPENING);
      assert.deepEqual((result as QueryResult).rows, [{ value: 'v' }]);
      await ask(connection, 'ROLLBACK');
    },
  ],
  [
    'runs neither the rest nor the statement when one that goes ahead fails, and tells that failure',
    async (connection) => {
      const preface = ['BEGIN', CONTRACT_SQL.refused, 'COMMIT'];
      const { error, result } = await ask(connection, CONTRACT_SQL.wrong, preface);
      assert.equal(error?.sqlState, '22023');
      assert.equal(result, undefined);
      assert.equal(connection.transactionStatus, 'failed');
      await ask(connection, 'ROLLBACK');
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'stays outside of a transaction when its very beginning fails',
    async (connection) => {
      const { error } = await ask(connection, CONTRACT_SQL.one, [CONTRACT_SQL.wrong, 'BEGIN']);
      assert.equal(error?.sqlState, '42601');
      assert.equal(connection.transactionStatus, 'idle');
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'leaves the failure of the statement itself in the transaction that was begun ahead of it',
    async (connection) => {
      const { error } = await ask(connection, CONTRACT_SQL.wrong, OPENING);
      assert.equal(error?.sqlState, '42601');
      assert.equal(connection.transactionStatus, 'failed');
      await ask(connection, 'ROLLBACK');
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
  [
    'sends nothing ahead of a value that cannot be sent',
    async (connection) => {
      const statement = { text: CONTRACT_SQL.echo, values: [Symbol('s')] };
      const { error } = await ask(connection, statement, OPENING);
      assert.ok(error instanceof ParameterError);
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
  [
    'cancels a statement that something goes ahead of, and is usable afterwards',
    async (connection) => {
      const asked = ask(connection, CONTRACT_SQL.slow, OPENING);
      const { error } = await cancelUntilAnswered(connection, asked);
      assert.equal(error?.sqlState, '57014');
      await ask(connection, 'ROLLBACK');
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'says that nothing was sent on a connection that is over, ahead of the statement neither',
    async (connection) => {
      await connection.end(2_000);
      const { error } = await ask(connection, CONTRACT_SQL.one, OPENING);
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.safeToRetry, true);
    },
  ],
];
