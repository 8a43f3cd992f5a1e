// What every driver promises the pool. Run against a real server and against the fake one.
import assert from 'node:assert/strict';
import type { Connection } from '../driver/driver.js';
import { ConnectionError } from '../kernel/errors.js';
import type { ContractCase } from './contract-case.js';
import { BATCHES } from './driver-batches.contract.js';
import { COPYING, ENDING } from './driver-endings.contract.js';
import { PREFACES } from './driver-preface.contract.js';
import { CANCELLING, STATEMENTS } from './driver-statements.contract.js';
import { failureOf } from './driver-subject.js';
import type { DriverSubject, OnConnection } from './driver-subject.js';

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
    ...[...STATEMENTS, ...PREFACES, ...BATCHES, ...CANCELLING, ...ENDING, ...COPYING].map(
      onConnection,
    ),
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
