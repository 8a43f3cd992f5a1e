// What statements leave in their session, by PostgreSQL's own parser.
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Classifier, loadParser } from './classify.js';
import type { SessionTrace } from './session-trace.js';

beforeAll(loadParser);
const traceOf = (text: string): SessionTrace => new Classifier().classify(text).trace;

describe('a session keeps nothing of', () => {
  it.each([
    'select 1',
    'select * from item where lower(name) = $1 order by id limit 1 for update',
    'insert into item values (1) on conflict do nothing returning id',
    "insert into item values (nextval('item_id_seq'), gen_random_uuid())",
    'update item set name = upper(name)',
    'delete from item using other where other.id = item.id',
    'with gone as (delete from item returning id) select count(*) from gone',
    'merge into item using other on true when matched then delete',
    'explain analyze select 1',
    'show work_mem',
    'select pg_advisory_xact_lock(1)',
    "select pg_notify('a', 'b')",
    'select 1; update item set id = 1',
  ])('%s', (text) => expect(traceOf(text)).toBe('none'));
});

describe('a transaction keeps what comes from', () => {
  it.each([
    'begin',
    'START TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'commit',
    'rollback',
    'savepoint a',
    'release savepoint a',
    'rollback to savepoint a',
    "set local work_mem = '5MB'",
    'set transaction isolation level serializable',
    'set constraints all deferred',
    'lock table item',
    'notify news',
    'begin; insert into item values (1); commit',
  ])('%s', (text) => expect(traceOf(text)).toBe('transaction'));
});

describe('a session keeps, or may keep, something of', () => {
  it.each([
    "set work_mem = '5MB'",
    'set session characteristics as transaction read only',
    'reset all',
    'discard temp',
    'create temp table t (n int)',
    'select 1 as n into temp t',
    'create table t (n int)',
    'listen news',
    'prepare p as select 1',
    'declare c cursor with hold for select 1',
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_lock(1) from item',
    "select set_config('a.b', 'c', false)",
    'select pg_backend_pid()',
    "select currval('item_id_seq')",
    'select of_the_application()',
    'select other.count(1)',
    'explain analyze select pg_advisory_lock(1)',
    "prepare transaction 'a'",
    'do $$ begin null; end $$',
    'selec',
    'begin; create temp table t (n int); commit',
  ])('%s', (text) => expect(traceOf(text)).toBe('session'));

  it('a text that is not parsed', () =>
    expect(traceOf(`select 1 -- ${'x'.repeat(100_001)}`)).toBe('session'));
});
