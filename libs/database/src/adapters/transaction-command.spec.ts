import { expect, it } from '@jest/globals';
import { readCommand } from './transaction-command.js';

it.each([
  ['BEGIN', { verb: 'begin' }],
  ['begin;', { verb: 'begin' }],
  ['  Begin  Work ; ', { verb: 'begin' }],
  ['/* request 7 */ BEGIN TRANSACTION', { verb: 'begin' }],
  ['-- a comment\nbegin -- another', { verb: 'begin' }],
  ['start transaction', { verb: 'begin' }],
  ['start transaction isolation level serializable', { verb: 'begin', isolation: 'serializable' }],
  [
    'begin isolation level REPEATABLE READ, read only',
    { verb: 'begin', isolation: 'repeatable read', access: 'read only' },
  ],
  [
    'begin read write isolation level read uncommitted',
    { verb: 'begin', isolation: 'read committed', access: 'read write' },
  ],
  ['begin deferrable', { verb: 'begin', isDeferrable: true }],
  [
    'begin isolation level serializable not deferrable',
    { verb: 'begin', isolation: 'serializable', isDeferrable: false },
  ],
  ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', { verb: 'set', isolation: 'serializable' }],
  ['set local transaction read only', { verb: 'set', access: 'read only' }],
  ['commit', { verb: 'commit' }],
  ['COMMIT WORK;', { verb: 'commit' }],
  ['end transaction', { verb: 'commit' }],
  ['commit and no chain', { verb: 'commit' }],
  ['commit and chain', { verb: 'commit', chains: true }],
  ['rollback', { verb: 'rollback' }],
  ['abort', { verb: 'rollback' }],
  ['rollback transaction and chain', { verb: 'rollback', chains: true }],
  ["prepare transaction 'x'", { verb: 'prepare' }],
])('%j is %j', (text, expected) => {
  expect(readCommand(text)).toEqual({ chains: false, ...expected });
});

it.each([
  'select 1',
  'beginning',
  'savepoint sp1',
  'rollback to savepoint sp1',
  'rollback to sp1',
  'release savepoint sp1',
  'begin; select 1',
  'begin; insert into t values (1); commit',
  'set local work_mem = 1',
  "set transaction snapshot '1'",
  'set session characteristics as transaction read only',
  "commit prepared 'x'",
  'prepare plan as select 1',
  'begin nonsense',
  `begin ${' '.repeat(400)}`,
  '/* begin',
  '',
])('%j is none', (text) => {
  expect(readCommand(text)).toBeUndefined();
});
