// The fake driver keeps the contract that the real one keeps.
import { afterEach, describe, expect, it } from '@jest/globals';
import { ParameterError } from '../kernel/errors.js';
import { QueryError } from '../kernel/query-errors.js';
import type { ConnectionTarget } from '../driver/target.js';
import { driverContract } from './driver-contract.js';
import { CONTRACT_SQL } from './driver-subject.js';
import { FakeClock } from './fake-clock.js';
import type { FakeConnection, FakeScript } from './fake-connection.js';
import { FakeDriver, refusedConnection } from './fake-driver.js';

const target = {} as ConnectionTarget;
const clock = new FakeClock();
const driver = new FakeDriver(clock);

/** The answers of a server to the statements of the contract. */
const answers: FakeScript = ({ text, values = [] }) => {
  switch (text) {
    case CONTRACT_SQL.one:
      return { rows: [{ one: 1 }] };
    case CONTRACT_SQL.echo:
      return { rows: [{ value: values[0] }] };
    case CONTRACT_SQL.divide:
      if (values[0] === '0') return { error: new QueryError('by zero', { sqlState: '22012' }) };
      return { rows: [{ quotient: 1 }] };
    case CONTRACT_SQL.slow:
    case CONTRACT_SQL.sleep:
      return { hangs: true };
    case CONTRACT_SQL.wrong:
      return { error: new QueryError('syntax error', { sqlState: '42601' }) };
    case CONTRACT_SQL.refused:
      return { error: new QueryError('out of range', { sqlState: '22023' }) };
    case CONTRACT_SQL.copyOut:
      return { rows: [{ n: 1 }, { n: 2 }] };
    default:
      return undefined;
  }
};

const connect = (): ReturnType<FakeDriver['connect']> => driver.connect(target, 1_000);

afterEach(() => expect(clock.pendingTimers).toBe(0));

describe('FakeDriver', () => {
  const cases = driverContract({
    connect: () => {
      driver.script = answers;
      driver.connectScript = () => undefined;
      return connect();
    },
    connectToNobody: () => {
      driver.connectScript = () => ({ error: refusedConnection() });
      return connect();
    },
    connectToSilence: async () => {
      driver.connectScript = () => ({ hangs: true });
      const connecting = connect();
      connecting.catch(() => undefined);
      await clock.elapseMs(1_000);
      return connecting;
    },
    kill: async (connection) => (connection as FakeConnection).lose('57P01'),
  });
  for (const { name, run } of cases) it(name, run);

  it('takes the time that the test gives an answer, an attempt and a goodbye', async () => {
    driver.connectScript = () => ({ afterMs: 30 });
    driver.script = () => ({ afterMs: 20, rows: [{ n: 1 }] });
    driver.endMs = 10;
    const told: string[] = [];
    void connect().then((connection) => {
      told.push(`connected at ${clock.monotonicMs() - startedAtMs}`);
      connection.execute(
        { text: 'SELECT' },
        {
          replied: () => {
            told.push(`answered at ${clock.monotonicMs() - startedAtMs}`);
            void connection
              .end(1_000)
              .then(() => told.push(`ended at ${clock.monotonicMs() - startedAtMs}`));
          },
        },
      );
    });
    const startedAtMs = clock.monotonicMs();
    await clock.elapseMs(100);
    expect(told).toEqual(['connected at 30', 'answered at 50', 'ended at 60']);
    driver.endMs = 0;
  });

  it('is answered by hand where the script lets a statement hang', async () => {
    driver.connectScript = () => undefined;
    driver.script = () => ({ hangs: true });
    const connection = (await connect()) as FakeConnection;
    let rows: unknown;
    connection.execute(
      { text: 'SELECT n' },
      { replied: (_, result) => (rows = (result as { rows: unknown }).rows) },
    );
    expect(connection.runningText).toBe('SELECT n');
    connection.answer({ rows: [{ n: 7 }] });
    expect(rows).toEqual([{ n: 7 }]);
    expect(connection.runningText).toBeUndefined();
    connection.destroy();
  });

  it('tells listeners what the server says, until they leave', async () => {
    const connection = (await connect()) as FakeConnection;
    const heard: unknown[] = [];
    const leave = connection.listen('notification', (message) => heard.push(message));
    connection.listen('end', () => heard.push('end'));
    connection.tell('notification', { channel: 'a' });
    leave();
    connection.tell('notification', { channel: 'b' });
    connection.destroy();
    expect(heard).toEqual([{ channel: 'a' }, 'end']);
  });

  it('answers several statements by one result each, and stops at the first that fails', async () => {
    driver.script = () => undefined;
    const connection = await connect();
    const ask = (text: string): Promise<unknown> =>
      new Promise((resolve) =>
        connection.execute({ text }, { replied: (error, result) => resolve(error ?? result) }),
      );
    expect(await ask('BEGIN; SET x = 1')).toMatchObject([{ command: 'BEGIN' }, { command: 'SET' }]);
    expect(await ask('ROLLBACK TO SAVEPOINT a; SELECT 1')).toMatchObject({ sqlState: '3B001' });
    expect(connection.transactionStatus).toBe('failed');
    connection.destroy();
  });

  it('answers statements given together in their order, and refuses submittables', async () => {
    const connection = await connect();
    const told: string[] = [];
    for (const text of ['SELECT 1', 'SELECT 2', 'SELECT 3']) {
      connection.execute({ text }, { replied: () => told.push(text) });
    }
    expect((connection as FakeConnection).underWay).toBe(3);
    await clock.elapseMs(0);
    expect(told).toEqual(['SELECT 1', 'SELECT 2', 'SELECT 3']);
    await expect(
      connection.submit({ submit: () => undefined, handleError: () => undefined }),
    ).rejects.toThrow(/no protocol/);
    connection.destroy();
  });

  it('keeps count of what it was asked', async () => {
    const fresh = new FakeDriver(clock);
    fresh.connectScript = (attempt) => (attempt === 1 ? { error: refusedConnection() } : undefined);
    await expect(fresh.connect(target, 1)).rejects.toThrow(/ECONNREFUSED/);
    const connection = await fresh.connect(target, 1);
    const reply = new Promise((resolve) => {
      connection.execute({ text: 'SELECT 1' }, { replied: resolve });
    });
    await reply;
    expect(fresh).toMatchObject({ attempts: 2, connecting: 0, texts: ['SELECT 1'] });
    expect(fresh.open).toHaveLength(1);
    connection.execute(
      { text: 'x', values: [() => 1] },
      { replied: (error) => expect(error).toBeInstanceOf(ParameterError) },
    );
    connection.destroy();
    expect(fresh.open).toEqual([]);
  });
});
