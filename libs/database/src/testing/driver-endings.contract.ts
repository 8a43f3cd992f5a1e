// What a driver promises about the end of a connection, and about COPY.
import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import type { Connection } from '../driver/driver.js';
import { ConnectionError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import { ask, CONTRACT_SQL, failureOf, rowsOf } from './driver-subject.js';
import type { OnConnection } from './driver-subject.js';

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

/** Every way in which a connection ends. */
export const ENDING: ReadonlyArray<readonly [string, OnConnection]> = [
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

/** Rows in bulk. */
export const COPYING: ReadonlyArray<readonly [string, OnConnection]> = [
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
