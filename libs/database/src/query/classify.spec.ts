// What PostgreSQL's own parser says of a text: may it go to a replica, may it run twice.
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Classifier, judgeByParser, loadParser } from './classify.js';
import { ACTING_FUNCTIONS, PURE_FUNCTIONS } from './functions.js';

let classifier: Classifier;

beforeAll(async () => {
  await loadParser();
  classifier = new Classifier();
});

const kindOf = (text: string): string => classifier.classify(text).kind;

describe('reads that may run twice', () => {
  it.each([
    'SELECT 1',
    'select id, name from item where id = $1 order by name limit 10 offset 5',
    'TABLE item',
    'VALUES (1), (2)',
    'SHOW search_path',
    'SELECT 1; SELECT 2',
    '-- nothing but a comment',
    '/* DELETE FROM item */ SELECT 1 -- ; DROP TABLE item',
    `SELECT 'DELETE FROM item; nextval(''s'')'`,
    'SELECT "delete", "nextval" FROM "insert"',
    'WITH a AS (SELECT 1), b AS MATERIALIZED (SELECT * FROM a) SELECT * FROM b',
    'WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT sum(n) FROM t',
    'SELECT * FROM (SELECT * FROM (SELECT count(*) FROM item) a) b WHERE EXISTS (SELECT 1 FROM c)',
    'SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4',
    'SELECT CASE WHEN a IS NULL THEN 1 ELSE coalesce(a, greatest(1, 2)) END FROM t',
    'SELECT pg_catalog.count(*) FROM item',
    'SELECT COUNT(*) FILTER (WHERE a > 1), sum(b) OVER (PARTITION BY c ORDER BY d) FROM t GROUP BY GROUPING SETS (c, ())',
    `SELECT now() - interval '1 day', extract(epoch FROM now()), date_trunc('day', now()) AT TIME ZONE 'UTC'`,
    `SELECT substring(a FROM 1 FOR 2), position('x' IN a), trim(BOTH ' ' FROM a), overlay(a PLACING 'x' FROM 1) FROM t`,
    'SELECT CURRENT_TIMESTAMP, CURRENT_USER, current_database()',
    `SELECT data->'a'->>'b', data @> '{"a":1}' FROM t WHERE data ? 'a'`,
    'SELECT * FROM unnest($1::int[]) WITH ORDINALITY AS u(a, n)',
    'SELECT * FROM t TABLESAMPLE bernoulli (10)',
    'SELECT * FROM a JOIN LATERAL (SELECT max(x) FROM b WHERE b.id = a.id) m ON true',
    'EXPLAIN DELETE FROM item',
    'EXPLAIN (COSTS off, FORMAT json) UPDATE item SET n = 1',
    'EXPLAIN ANALYZE SELECT count(*) FROM item',
    'EXPLAIN (ANALYZE, BUFFERS) SELECT 1',
  ])('%s', (text) => {
    expect(classifier.classify(text)).toMatchObject({ kind: 'pure', because: undefined });
    expect(judgeByParser(text)).toMatchObject({ kind: 'pure', because: undefined });
  });
});

describe('reads whose functions are not known to be harmless', () => {
  it.each([
    'SELECT my_function()',
    'SELECT shop.place_order(1)',
    'SELECT public.count(1)',
    'SELECT random()',
    'SELECT gen_random_uuid()',
    'SELECT clock_timestamp()',
    `SELECT currval('s')`,
    'SELECT * FROM item WHERE owner = who_am_i()',
    'SELECT * FROM (SELECT my_function(1) AS x) t',
    'WITH a AS (SELECT my_function()) SELECT count(*) FROM a',
    'SELECT sum(my_function(x)) OVER () FROM t',
    'SELECT 1 ORDER BY my_function()',
    'SELECT * FROM my_table_function(1)',
    'SELECT "COUNT"(1)',
    'EXPLAIN ANALYZE SELECT my_function()',
  ])('%s', (text) => {
    expect(kindOf(text)).toBe('read');
  });
});

describe('writes', () => {
  it.each([
    [`INSERT INTO item VALUES (1)`, 'INSERT'],
    [`UPDATE item SET n = 1`, 'UPDATE'],
    [`DELETE FROM item`, 'DELETE'],
    [`MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE`, 'MERGE'],
    [`WITH gone AS (DELETE FROM item RETURNING *) SELECT count(*) FROM gone`, 'DELETE'],
    [`WITH a AS (SELECT 1), b AS (INSERT INTO t SELECT * FROM a RETURNING *) TABLE b`, 'INSERT'],
    [
      `SELECT * FROM (WITH u AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM u) AS inner_one`,
      'UPDATE',
    ],
    [`SELECT 1 UNION ALL (WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d)`, 'DELETE'],
    [`SELECT * INTO copy FROM item`, 'SELECT INTO'],
    [`SELECT * FROM item FOR UPDATE`, 'a row lock (FOR UPDATE or FOR SHARE)'],
    [`SELECT * FROM item FOR NO KEY UPDATE SKIP LOCKED`, 'a row lock (FOR UPDATE or FOR SHARE)'],
    [`SELECT * FROM (SELECT * FROM item FOR SHARE) t`, 'a row lock (FOR UPDATE or FOR SHARE)'],
    [`SELECT nextval('s')`, 'nextval()'],
    [`SELECT NextVal('s')`, 'nextval()'],
    [`SELECT pg_catalog.nextval('s')`, 'nextval()'],
    [`SELECT count(*) FROM item WHERE id = (SELECT setval('s', 1))`, 'setval()'],
    [`SELECT set_config('a.b', 'c', false)`, 'set_config()'],
    [`SELECT pg_advisory_xact_lock(1)`, 'pg_advisory_xact_lock()'],
    [`SELECT pg_notify('c', 'p')`, 'pg_notify()'],
    [`SELECT CASE WHEN true THEN pg_terminate_backend(1) END`, 'pg_terminate_backend()'],
    [`SELECT my_function(), nextval('s')`, 'nextval()'],
    [`EXPLAIN ANALYZE DELETE FROM item`, 'DELETE'],
    [`EXPLAIN (ANALYZE) INSERT INTO item VALUES (1)`, 'INSERT'],
    [`EXPLAIN (COSTS off, ANALYZE true) UPDATE item SET n = 1`, 'UPDATE'],
    [`EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1`, 'CREATETABLEAS'],
    [`EXPLAIN ANALYZE EXECUTE prepared(1)`, 'EXECUTE'],
    [`EXPLAIN ANALYZE WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d`, 'DELETE'],
    [`SELECT 1; DROP TABLE item`, 'DROP'],
    [`DROP TABLE item; SELECT 1`, 'DROP'],
    [`BEGIN`, 'TRANSACTION'],
    [`BEGIN; SELECT 1; COMMIT`, 'TRANSACTION'],
    [`SET search_path = x`, 'VARIABLESET'],
    [`LISTEN channel`, 'LISTEN'],
    [`NOTIFY channel`, 'NOTIFY'],
    [`CALL procedure()`, 'CALL'],
    [`DO $$ BEGIN PERFORM 1; END $$`, 'DO'],
    [`COPY item TO STDOUT`, 'COPY'],
    [`LOCK TABLE item`, 'LOCK'],
    [`TRUNCATE item`, 'TRUNCATE'],
    [`CREATE TABLE t (n int)`, 'CREATE'],
    [`CREATE TABLE t AS SELECT 1`, 'CREATETABLEAS'],
    [`ALTER TABLE t ADD COLUMN a int`, 'ALTERTABLE'],
    [`REFRESH MATERIALIZED VIEW v`, 'REFRESHMATVIEW'],
    [`VACUUM item`, 'VACUUM'],
    [`PREPARE p AS SELECT 1`, 'PREPARE'],
    [`DECLARE c CURSOR FOR SELECT 1`, 'DECLARECURSOR'],
    [`FETCH 1 FROM c`, 'FETCH'],
    [`DISCARD ALL`, 'DISCARD'],
    [`GRANT SELECT ON t TO u`, 'GRANT'],
  ])('%s', (text, because) => {
    expect(classifier.classify(text)).toMatchObject({ kind: 'write', because });
  });
});

describe('texts that the parser does not understand', () => {
  it.each([
    '',
    'selec 1',
    'SELECT FROM WHERE FOR',
    `SELECT 'open`,
    'SELECT /* open',
    '😀',
    'SELECT 1;;; selec',
  ])('%j', (text) => {
    expect(classifier.classify(text)).toMatchObject({ kind: 'unknown', because: undefined });
  });

  it('are pure when their words are harmless, whatever the server says of them', () => {
    expect(kindOf('SELECT FROM WHERE')).toBe('pure');
  });

  it('take nothing from those around them', () => {
    expect(kindOf('SELECT 1')).toBe('pure');
  });
});

describe('huge texts', () => {
  it('up to 100,000 characters are parsed', () => {
    const ids = Array.from({ length: 15_000 }, (_, i) => i).join(',');
    expect(kindOf(`SELECT * FROM item WHERE id IN (${ids})`)).toBe('pure');
    expect(kindOf(`DELETE FROM item WHERE id IN (${ids})`)).toBe('write');
  });

  it('beyond that are unknown, and cost next to nothing', () => {
    expect(kindOf(`SELECT '${'x'.repeat(99_900)}'`)).toBe('pure');
    expect(kindOf(`SELECT '${'x'.repeat(100_000)}'`)).toBe('unknown');
    const text = `SELECT '${'x'.repeat(20_000_000)}'`;
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 50; i++) expect(kindOf(`${text}${i}`)).toBe('unknown');
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200_000_000);
  });

  it.each([
    ['sums', (n: number) => `SELECT ${'1+'.repeat(n)}1`],
    ['negations', (n: number) => `SELECT ${'NOT '.repeat(n)}true`],
    ['parentheses', (n: number) => `SELECT ${'('.repeat(n)}1${')'.repeat(n)}`],
    ['calls', (n: number) => `SELECT ${'abs('.repeat(n)}1${')'.repeat(n)}`],
    ['collations', (n: number) => `SELECT a ${'COLLATE x '.repeat(n)}`],
    ['casts', (n: number) => `SELECT 1${'::int'.repeat(n)}`],
    ['unions', (n: number) => `SELECT 1 ${'UNION SELECT 1 '.repeat(n)}`],
  ])('that nest %s deep never break the parser for the others', (_, nest) => {
    // Each one that reached the parser would cost it a piece of its stack: 60 of them broke it for good.
    for (let i = 0; i < 150; i++) classifier.classify(`${nest(6_000)} -- ${i}`);
    expect(kindOf(nest(300))).toBe('pure');
    expect(classifier.classify(`DELETE FROM item -- after ${_}`)).toMatchObject({
      kind: 'write',
      because: 'DELETE',
    });
  });
});

describe('what surely only reads', () => {
  it.each<[string, boolean]>([
    ['select 1', true],
    ['  /* who */ -- why\n SELECT a FROM t WHERE b = $1', true],
    ['with a as (select 1) table a', true],
    ['values (1)', true],
    ['select 1; select 2', true],
    ['select 1; delete from t', false],
    ['with gone as (delete from t returning *) select * from gone', false],
    ['select mine()', false],
    ['select 1 for update', false],
    ['insert into t values (1)', false],
    ['', false],
    [`select '${'x'.repeat(5_000)}'`, false],
  ])('%s: %s', (text, isPure) => {
    expect(new Classifier().shapeOf(text) !== undefined).toBe(isPure);
  });
});

describe('shapes', () => {
  it('are shared by texts that differ in values and comments, with all that is known of them', () => {
    const first = classifier.classify("select a from t where b = 5 and c = 'x'");
    const second = classifier.classify("select a from t where b = 42 and c = '' /* trace 1 */");
    expect(first.shape).toBe("select a from t where b = 0 and c = ''");
    expect(second).toBe(first);
    expect(classifier.shapeOf('select a from t where b = 7 and c = $$x$$')).not.toBe(first.shape);
  });

  it('are the texts themselves where only the parser can tell', () => {
    const text = 'select substring(a from 1 for 2) from t';
    expect(classifier.classify(text)).toMatchObject({ kind: 'pure', shape: text });
    expect(classifier.shapeOf(text)).toBe(text);
  });

  it.each(['show work_mem', 'explain select 1', 'delete from t', 'select mine(1)', ''])(
    'there is none of "%s", asked before or after',
    (text) => {
      expect(classifier.shapeOf(text)).toBeUndefined();
      expect(classifier.classify(text).shape).toBeUndefined();
      expect(classifier.shapeOf(text)).toBeUndefined();
    },
  );

  it('there is none of a long text, which is pure all the same', () => {
    const text = `select a in (${'1, '.repeat(2_000)}2)`;
    expect(classifier.classify(text)).toMatchObject({ kind: 'pure', shape: undefined });
    expect(classifier.shapeOf(text)).toBeUndefined();
  });
});

describe('memory', () => {
  it('holds the last texts, so that they are parsed once', () => {
    const fresh = new Classifier();
    const first = fresh.classify('INSERT INTO t VALUES (1)');
    expect(fresh.classify('INSERT INTO t VALUES (1)')).toBe(first);
  });

  it('is bounded in texts: the oldest one goes first', () => {
    const fresh = new Classifier();
    const text = (i: number): string => `INSERT INTO t VALUES (${i})`;
    const first = fresh.classify(text(0));
    for (let i = 1; i < 16_384; i++) fresh.classify(text(i));
    expect(fresh.classify(text(0))).toBe(first);
    fresh.classify(text(16_384));
    const again = fresh.classify(text(0));
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });

  it('is bounded in characters', () => {
    const fresh = new Classifier();
    const long = (i: number): string => `INSERT INTO t VALUES ('${'x'.repeat(90_000)}', ${i})`;
    const first = fresh.classify(long(0));
    for (let i = 1; i < 40; i++) fresh.classify(long(i));
    expect(fresh.classify(long(0))).toBe(first);
    for (let i = 40; i < 50; i++) fresh.classify(long(i));
    expect(fresh.classify(long(0))).not.toBe(first);
  });
});

describe('the lists of functions', () => {
  it('have nothing in common, and only names as the parser gives them', () => {
    const both = [...ACTING_FUNCTIONS].filter((name) => PURE_FUNCTIONS.has(name));
    expect(both).toEqual([]);
    for (const name of [...ACTING_FUNCTIONS, ...PURE_FUNCTIONS])
      expect(name).toMatch(/^[a-z_0-9]+$/);
  });
});
