import { expect, it } from '@jest/globals';
import { readCommand } from './transaction-command.js';

const BEGIN = { verb: 'begin', tag: 'BEGIN' };
const START = { verb: 'begin', tag: 'START' };

it.each([
  ['BEGIN', BEGIN],
  ['begin;', BEGIN],
  ['  Begin  Work ; ', BEGIN],
  ['/* request 7 */ BEGIN TRANSACTION', BEGIN],
  ['-- a comment\nbegin -- another', BEGIN],
  ['start transaction', START],
  ['start transaction isolation level serializable', { ...START, isolation: 'serializable' }],
  [
    'begin isolation level REPEATABLE READ, read only',
    { ...BEGIN, isolation: 'repeatable read', access: 'read only' },
  ],
  [
    'begin read write isolation level read uncommitted',
    { ...BEGIN, isolation: 'read committed', access: 'read write' },
  ],
  ['begin deferrable', { ...BEGIN, isDeferrable: true }],
  [
    'begin isolation level serializable not deferrable',
    { ...BEGIN, isolation: 'serializable', isDeferrable: false },
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
