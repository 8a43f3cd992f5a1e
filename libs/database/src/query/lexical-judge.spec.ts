// What the words of a text prove, what they leave to the parser, and what is left of a text when its values are gone.
import { describe, expect, it } from '@jest/globals';
import { beginsLikeReading, shapeOfReading } from './lexical-judge.js';

describe('the words prove that nothing but reading is done by', () => {
  it.each([
    'select 1',
    '/* who */ -- why\n SELECT a FROM t WHERE b = $1;',
    'select 1; ; -- done',
    'values (1)',
    'table item',
    'with a as (select 1), b as materialized (select * from a) select count(*) from b',
    `select 'delete from item; nextval(''s'')' as "into"`,
    'select "for", t."update" from "insert" t',
    'select Count (*), COUNT/* c */(*) from t',
    'select count(*) filter (where a), sum(b) over (partition by (c) order by (d)) from t',
    'select max(a) as m(x), cast(a as decimal(10, 2)) from f as t(a, b)',
    'select * from a join (select 1) b on (true) join c using (d) where (a, b) in (select 1, 2) group by (e)',
    'select a from t where b = any($1) and not (c) or exists (select 1) order by (d) limit (1)',
    'select distinct on (a) a, count(*) from t',
    `select data ? 'a', data ->> 'b', data @> '{}', -1, .5, 1., 1.5e-3, a[1:2], 'it''s'`,
    `select 'ä😀' as "ö" -- ü`,
    'select\t1\r\n,\f2',
    'select left(a, 1) from t left join (select 2) u on true',
  ])('%s', (text) => expect(shapeOfReading(text)).toBeDefined());
});

describe('the words do not prove it', () => {
  it.each([
    ['', 'nothing is there'],
    ['-- nothing', 'nothing is there'],
    ['(select 1)', 'it begins with a parenthesis'],
    ['show work_mem', 'of commands the parser knows more'],
    ['explain select 1', 'of commands the parser knows more'],
    ['insert into t values (1)', 'it writes'],
    ['with a as (delete from t returning *) select * from a', 'it writes'],
    ['with a as (merge into t using s on a when matched then do nothing) select 1', 'it writes'],
    ['with a as (select 1) update t set a = 1', 'it writes'],
    ['select * into t2 from t', 'it makes a table'],
    ['select * from t for/* c */update', 'it locks rows'],
    ['select * from t For No Key Update', 'it locks rows'],
    ['select substring(a from 1 for 2)', 'this FOR locks nothing, but who knows'],
    ['select 1; select 2', 'there are two statements'],
    ['select mine(1)', 'the function is not known'],
    ['select mine /* c */ -- c\n (1)', 'the function is not known'],
    ['select nextval($1)', 'the function acts'],
    ['select "count"(1)', 'a quoted name may be one of the application'],
    ['select pg_catalog.count(1)', 'the name is qualified'],
    ['select mine.count(1)', 'the function is another one'],
    ['select mine . /* c */ count(1)', 'the function is another one'],
    ['select mine.in (1)', 'behind a dot each word is a name'],
    ['select pg_backend_pid()', 'the answer is that of the session'],
    ['select over(1)', 'OVER may be the name of a function'],
    ['select distinct on (a) over(1)', 'OVER may be the name of a function'],
    ['select distinct on (a) filter(1)', 'FILTER may be the name of a function'],
    ['select by(1)', 'BY may be the name of a function'],
    ['select partition(1)', 'PARTITION may be the name of a function'],
    ['select join(1)', 'JOIN may be the name of a function'],
    ['select * from t join (u cross join v) on true', 'JOIN may be the name of a function'],
    ['select * from t join/* c */(values (1)) u on true', 'JOIN may be the name of a function'],
    ['select a like(1)', 'LIKE may be the name of a function'],
    ['select not materialized(1)', 'MATERIALIZED may be the name of a function'],
    ['select a group by rollup (a)', 'ROLLUP may be the name of a function'],
    ['select a operator(s.+) b', 'OPERATOR names something qualified'],
    ['select treat(a as nextval)', 'TREAT calls what it names'],
    ['select a similar to b', 'SIMILAR calls a function'],
    ['select a is nfc normalized', 'NORMALIZED calls a function'],
    ['select system_user', 'SYSTEM_USER calls a function'],
    ['select collation for (a)', 'COLLATION FOR calls a function'],
    ['select a::float(1)', 'the number chooses the type'],
    ["select e'a'", 'a string with a prefix'],
    ["select E'\\' into t --'", 'a string with a prefix'],
    ["select b'1', x'f', n'g'", 'a string with a prefix'],
    [`select u&'d' , U&"e"`, 'a string or name with a prefix'],
    ["select '\\' into t --'", 'a backslash depends on standard_conforming_strings'],
    ["select 'a'\n'b'", 'two strings that are one'],
    ['select $$a$$', 'a dollar may quote'],
    ['select $a$ into t $a$', 'a dollar may quote'],
    ['select a$b', 'a dollar in a name'],
    ["select 'open", 'a string without an end'],
    ['select "open', 'a name without an end'],
    ['select 1 /* open /* c */', 'a comment without an end'],
    ['select 1 -- c\rinto t from u', 'a return ends the comment'],
    ['select 1foo', 'a number with something glued to it'],
    ['select 0x1f, 1_000', 'numbers of other servers'],
    ['select 1..2', 'a number with something glued to it'],
    ['select 1e', 'a number with something glued to it'],
    ['select $1a', 'a parameter with something glued to it'],
    ['select ä', 'a name that is not ASCII'],
    ['select\u00a01', 'a blank that is none'],
    ['select\v1', 'a blank of newer servers'],
    ["select 'a\u0000' into t", 'the text ends for the server'],
    ['select 1 -- \u0000', 'the text ends for the server'],
    ['select 1 /* \u0000 */', 'the text ends for the server'],
    ['select "\u0000"', 'the text ends for the server'],
    ['select {a}', 'a character that SQL does not know'],
  ])('%j: %s', (text) => expect(shapeOfReading(text)).toBeUndefined());
});

describe('the shape of a text', () => {
  it.each([
    ['select a from t', 'select a from t'],
    ["select a from t where b = 5 and c = 'it''s'", "select a from t where b = 0 and c = ''"],
    ['  select\n\ta  from t -- c', 'select a from t'],
    ["/* a */ select /* b */ 1/* c */ /*traceparent='00-1'*/", 'select 0'],
    ['select a/**/b', 'select a b'],
    ['select 1.5e3, 7., .5, -2, $1', 'select 0.0, 0.0, .0, -0, $1'],
    ['select 123456789012345678, 1234567890123456789', 'select 0, 0.0'],
    ['select "a  b", "--", "/*" from t limit 10;', 'select "a  b", "--", "/*" from t limit 0;'],
    // Blanks between operators count: `< >` are two, `<>` is one.
    ['select a < > b', 'select a < > b'],
    ["select '/* a */', '-- b'", "select '', ''"],
  ])('%j: %j', (text, shape) => {
    expect(shapeOfReading(text)).toBe(shape);
    expect(shapeOfReading(shape)).toBe(shape);
  });

  it('of a text without values and comments is the text', () => {
    expect(shapeOfReading('select a from t where b = $1')).toBe('select a from t where b = $1');
  });
});

describe('long texts', () => {
  it.each([
    ['comments', (n: number) => `${'/**/'.repeat(n)}delete`],
    ['open comments', (n: number) => `select ${'/*'.repeat(n)}`],
    ['quotes', (n: number) => `select ${"''".repeat(n)}'`],
    ['values', (n: number) => `select a in (${"'a', 1, ".repeat(n)}2)`],
    ['dashes', (n: number) => `select 1 ${'- '.repeat(n)}1`],
    ['words', (n: number) => `select ${'a'.repeat(n)}`],
  ])('of %s are read in a time that grows with their length only', (_, make) => {
    const before = performance.now();
    for (let n = 0; n < 10; n++) {
      shapeOfReading(make(20_000));
      beginsLikeReading(make(20_000));
    }
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

describe('how a text begins', () => {
  it.each<[string, boolean]>([
    ['select 1', true],
    [' /* c */ -- c\n\tWITH a as (select 1) table a', true],
    ['values(1)', true],
    ['table a', true],
    ['selects', false],
    ['delete from t', false],
    ['/* open', false],
    ['', false],
    ['(select 1)', false],
  ])('%j: %s', (text, reads) => expect(beginsLikeReading(text)).toBe(reads));
});
