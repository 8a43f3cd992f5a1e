// The door of `nestjs-database/testing`.
export { startTestDatabase } from './test-database.js';
export type { TestDatabase, TestDatabaseOptions } from './test-database.js';

export { FakeClock } from './fake-clock.js';
export { FakeConnection } from './fake-connection.js';
export type { FakeAnswer } from './fake-answer.js';
export type { FakeConnectionParts, FakeScript } from './fake-connection.js';
export { FakeDriver, refusedConnection } from './fake-driver.js';
export type { FakeConnect, FakeConnectScript } from './fake-driver.js';

export type { ContractCase } from './contract-case.js';
export { driverContract } from './driver-contract.js';
export { CONTRACT_SQL } from './driver-subject.js';
export type { DriverSubject } from './driver-subject.js';
export { stageContract } from './stage-contract.js';
export type { StageInPlace, StageSubject } from './stage-contract.js';
export { Rest, TripBench } from './trip-bench.js';
export type { BenchedTrip, RestAnswer, TripEnd } from './trip-bench.js';

export type { Clock, ScheduleOptions, Timer } from '../kernel/clock.js';
export { SkippedError } from '../driver/driver.js';
export type {
  Connection,
  Departure,
  Driver,
  Reply,
  SessionEvent,
  Submittable,
  TransactionStatus,
} from '../driver/driver.js';
export type { ConnectionTarget } from '../driver/target.js';
export type { Enter, Stage } from '../query/stage.js';
