// What a driver promises about reads that share a batch: who is told what when one of them fails.
import assert from 'node:assert/strict';
import { SkippedError } from '../driver/driver.js';
import type { Connection, Departure } from '../driver/driver.js';
import { ConnectionError } from '../kernel/errors.js';
import type { QueryResult, Statement } from '../query/query.js';
import { cancelUntilAnswered, CONTRACT_SQL, rowsOf } from './driver-subject.js';
import type { Answer, OnConnection } from './driver-subject.js';

const NOTHING: readonly string[] = [];

/** All of them end, in the order of their answers. */
interface Asked {
  readonly answers: Promise<readonly Answer[]>;
  /** Positions in the order of the answers. */
  readonly order: number[];
}

const echo = (value: string): Statement => ({ text: CONTRACT_SQL.echo, values: [value] });
/** Without a value it would be no part of a batch: it would go by the simple protocol. */
const SLEEP: Statement = { text: CONTRACT_SQL.sleep, values: ['60'] };
const divide = (by: string): Statement => ({ text: CONTRACT_SQL.divide, values: [by] });

function ask(
  connection: Connection,
  statements: readonly Statement[],
  departure: Departure = 'batch',
): Asked {
  const order: number[] = [];
  const answers = statements.map(
    (statement, at) =>
      new Promise<Answer>((resolve, reject) => {
        const replied = (error: Answer['error'], result: unknown): void => {
          if (order.includes(at)) reject(new Error(`${statement.text} was answered twice`));
          order.push(at);
          // A second reply in the same turn would still be seen.
          setImmediate(() => resolve({ error, result }));
        };
        connection.execute(statement, { replied }, NOTHING, departure);
      }),
  );
  return { answers: Promise.all(answers), order };
}

/** What each was told: its value, or what it failed by. */
function told(answers: readonly Answer[]): unknown[] {
  return answers.map(({ error, result }) => {
    if (error instanceof SkippedError) return 'skipped';
    if (error !== undefined) return error.sqlState ?? error.code;
    return Object.values((result as QueryResult).rows[0] as object)[0] as unknown;
  });
}

/** Reads of one batch. */
export const BATCHES: ReadonlyArray<readonly [string, OnConnection]> = [
  [
    'answers each of a batch with its own row, in their order',
    async (connection) => {
      const values = Array.from({ length: 20 }, (_, at) => `v${at}`);
      const { answers, order } = ask(connection, values.map(echo));
      assert.deepEqual(told(await answers), values);
      assert.deepEqual(
        order,
        values.map((_, at) => at),
      );
      assert.equal(connection.transactionStatus, 'idle');
    },
  ],
  [
    'tells the failure of one to it alone: the others are not answered, for all of them are rolled back',
    async (connection) => {
      // Known to the server already, and not known yet.
      for (let round = 0; round < 3; round++) {
        const batch = [echo('a'), divide('1'), divide('0'), echo('b'), divide('0')];
        assert.deepEqual(told(await ask(connection, batch).answers), [
          ...['skipped', 'skipped'],
          ...['22012', 'skipped', 'skipped'],
        ]);
        assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
      }
    },
  ],
  [
    'keeps a failure out of the batches before and behind it',
    async (connection) => {
      const before = ask(connection, [echo('a'), echo('b')]);
      connection.endBatch();
      const failing = ask(connection, [divide('0'), echo('c')]);
      connection.endBatch();
      const behind = ask(connection, [echo('d')]);
      assert.deepEqual(told(await before.answers), ['a', 'b']);
      assert.deepEqual(told(await failing.answers), ['22012', 'skipped']);
      assert.deepEqual(told(await behind.answers), ['d']);
    },
  ],
  [
    'ends a batch with what is not of it, and at the end of the turn',
    async (connection) => {
      const failing = ask(connection, [divide('0'), echo('a')]);
      const single = ask(connection, [echo('b')], 'now');
      const another = ask(connection, [divide('0')]);
      await new Promise((resolve) => setImmediate(resolve));
      const later = ask(connection, [echo('c')]);
      assert.deepEqual(told(await failing.answers), ['22012', 'skipped']);
      assert.deepEqual(told(await single.answers), ['b']);
      assert.deepEqual(told(await another.answers), ['22012']);
      assert.deepEqual(told(await later.answers), ['c']);
    },
  ],
  [
    'leaves out of a batch what cannot be sent',
    async (connection) => {
      const bad = { text: CONTRACT_SQL.echo, values: [() => 1] };
      const { answers } = ask(connection, [echo('a'), bad, echo('b'), bad]);
      assert.deepEqual(told(await answers), ['a', 'DB_PARAMETER', 'b', 'DB_PARAMETER']);
    },
  ],
  [
    'stops the one that runs when it is cancelled',
    async (connection) => {
      const { answers } = ask(connection, [SLEEP, echo('a')]);
      const first = answers.then(([answer]) => answer as Answer);
      await cancelUntilAnswered(connection, first);
      assert.deepEqual(told(await answers), ['57014', 'skipped']);
      assert.deepEqual(await rowsOf(connection, CONTRACT_SQL.one), [{ one: 1 }]);
    },
  ],
  [
    'tells all of a batch that the connection is lost, each once',
    async (connection, { kill }) => {
      const { answers, order } = ask(connection, [echo('a'), SLEEP, echo('b')]);
      await kill(connection);
      for (const { error } of await answers) assert.ok(error instanceof ConnectionError);
      assert.deepEqual(order, [0, 1, 2]);
    },
  ],
];
