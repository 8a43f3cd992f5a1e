// That the lexical judge never calls a text pure of which PostgreSQL's own parser thinks otherwise: all keywords, and chance.
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parseSync } from 'libpg-query';
import { judgeByParser, loadParser } from './classify.js';
import { shapeOfReading } from './lexical-judge.js';

beforeAll(loadParser);

/** All keywords of PostgreSQL 18. */
const KEYWORDS = `
  abort absent absolute access action add admin after aggregate all also alter always analyse analyze and any array as
  asc asensitive assertion assignment asymmetric at atomic attach attribute authorization backward before begin between
  bigint binary bit boolean both breadth by cache call called cascade cascaded case cast catalog chain char character
  characteristics check checkpoint class close cluster coalesce collate collation column columns comment comments commit
  committed compression concurrently conditional configuration conflict connection constraint constraints content
  continue conversion copy cost create cross csv cube current current_catalog current_date current_role current_schema
  current_time current_timestamp current_user cursor cycle data database day deallocate dec decimal declare default
  defaults deferrable deferred definer delete delimiter delimiters depends depth desc detach dictionary disable discard
  distinct do document domain double drop each else empty enable encoding encrypted end enforced enum error escape event
  except exclude excluding exclusive execute exists explain expression extension external extract false family fetch
  filter finalize first float following for force foreign format forward freeze from full function functions generated
  global grant granted greatest group grouping groups handler having header hold hour identity if ilike immediate
  immutable implicit import in include including increment indent index indexes inherit inherits initially inline inner
  inout input insensitive insert instead int integer intersect interval into invoker is isnull isolation join json
  json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table
  json_value keep key keys label language large last lateral leading leakproof least left level like limit listen load
  local localtime localtimestamp location lock locked logged mapping match matched materialized maxvalue merge
  merge_action method minute minvalue mode month move name names national natural nchar nested new next nfc nfd nfkc
  nfkd no none normalize normalized not nothing notify notnull nowait null nullif nulls numeric object objects of off
  offset oids old omit on only operator option options or order ordinality others out outer over overlaps overlay
  overriding owned owner parallel parameter parser partial partition passing password path period placing plan plans
  policy position preceding precision prepare prepared preserve primary prior privileges procedural procedure procedures
  program publication quote quotes range read real reassign recursive ref references referencing refresh reindex
  relative release rename repeatable replace replica reset restart restrict return returning returns revoke right role
  rollback rollup routine routines row rows rule savepoint scalar schema schemas scroll search second security select
  sequence sequences serializable server session session_user set setof sets share show similar simple skip smallint
  snapshot some source sql stable standalone start statement statistics stdin stdout storage stored strict string strip
  subscription substring support symmetric sysid system system_user table tables tablesample tablespace target temp
  template temporary text then ties time timestamp to trailing transaction transform treat trigger trim true truncate
  trusted type types uescape unbounded uncommitted unconditional unencrypted union unique unknown unlisten unlogged
  until update user using vacuum valid validate validator value values varchar variadic varying verbose version view
  views virtual volatile when where whitespace window with within without work wrapper write xml xmlattributes xmlconcat
  xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable year yes zone`
  .trim()
  .split(/\s+/);

/** Each has a place for a keyword. */
const PLACES = [
  'select @',
  'select @(1)',
  'select @(select 1)',
  'select @ (a, b) from t',
  'select a @ from t',
  'select a @ (1) from t',
  'select a @ (nextval(1)) from t',
  'select a @ b from t',
  'select a @ to b from t',
  'select a is @ from t',
  'select a is nfc @ from t',
  'select not @(1)',
  'select - @(1)',
  'select 1 as @(1)',
  'select 1 as as @(1)',
  'select 1 @',
  'select 1 @(1)',
  'select a.@(1)',
  'select a.@ (1) from t',
  'select @.a(1)',
  'select @ b(1)',
  'select @ count(1)',
  "select @ 'a'",
  'select distinct @(1)',
  'select distinct on (a) @(1) from t',
  'select distinct on (a) @ (order by a) from t',
  'select count(*) @ (order by a) from t',
  'select count(*) @ (where a) from t',
  'select count(*) @ group (order by a) from t',
  'select (1) @(1) from t',
  'select cast(a as @(1)) from t',
  'select a::@(1) from t',
  'select case @(1) when @(2) then @(3) else @(4) end',
  'select * from @(1)',
  'select * from @ (1) t',
  'select * from t @ (a)',
  'select * from t @ (select 1) x on true',
  'select * from t as @(a)',
  'select * from t @ join u on true',
  'select * from t join @(1) on true',
  'select * from t join @(select 1) x on true',
  'select * from t join u @ (a)',
  'select * from t where @(1)',
  'select * from t where a @ (select 1)',
  'select * from t group by @(1)',
  'select * from t group @ (1)',
  'select * from t order by @(1)',
  'select * from t @ by a',
  'select * from t order by a @ last',
  'select * from t @ 1',
  'select * from t limit @(1)',
  'select * from t @ update',
  'select * from t for @',
  'select * @ u from t',
  'select 1 @ select 2',
  'select 1 @ (select 2)',
  'select sum(a) over (@ by a) from t',
  'select sum(a) over (partition by @(a)) from t',
  'select sum(a) over (order by a @ unbounded preceding) from t',
  'with a as (@ 1) select 1',
  'with a as (@ from t) select 1',
  'with a as @ (select 1) select 1',
  'with @(a) as (select 1) select 1',
  'with a as (select 1) @ (1)',
  'with a as (select 1) @ into t values (1)',
  'with a as (select 1) @ from t',
  'with a as (select 1) @ t',
  '@ 1',
  '@ a',
  '@ (1)',
  'values (@(1))',
  'table @',
  'select 1; @',
];

/** Real statements: `?` is a number, `#` a string, a blank may become a comment. */
const READS = [
  'select id, name from item where id = ? and name = # order by name limit ? offset ?',
  'select * from t where a in (?, ?, ?) and b like # escape #',
  'select count(*), count(*) filter (where a > ?) from t group by b having count(*) > ? order by ?',
  'select sum(a) over (partition by b order by c rows between ? preceding and current row) from t',
  'select distinct on (a) a, b from t order by a, b desc nulls last',
  'select t0."id" as "t0_id", t0."name" as "t0_name" from "item" as t0 left join "other" as t1 on (t1.id = t0.id)',
  'select * from a join (select max(x) as m from b where b.id > ?) c on c.m = a.m where exists (select ? from d)',
  'select * from a, lateral (select max(x) from b where b.id = a.id) m where a.x = any($1) and a.y = any (select ?)',
  'with a as (select ?), b as materialized (select * from a) select * from b union all (select ?) except select ?',
  'values (?, #), (?, #)',
  'table item',
  'select now() - interval # , extract(epoch from now()), date_trunc(#, now()) at time zone # , a::numeric(10, 2)',
  'select substring(a from ?), position(# in a), trim(both # from a), overlay(a placing # from ?) from t',
  'select coalesce(a, ?), nullif(b, #), greatest(?, least(?, c)), case when a = ? then # else # end from t',
  'select data->#->>#, data @> #, data ? #, data #>> # from t where data ?| array[#, #]',
  'select * from unnest($1::int[], array[?, ?]) with ordinality as u(a, b, n)',
  'select * from jsonb_to_recordset(#) as x(a int, b text) where (a, b) = (?, #) and (a, b) overlaps (c, d)',
  'select percentile_cont(?) within group (order by a) from t limit ?',
  'select cast(a as int), cast(# as text) , -?, +? , ? + -? , a[?], a[?:?], row(?, #), array(select ?) from only (t)',
  'select a b, c "d" from s.t u where not (a between ? and ?) or (b is null) and c ilike # and d ~ # and e <> all (array[?])',
];

/** Statements that act, as far as they may be mistaken. */
const ACTS = [
  'select * into t2 from t',
  'select * from t for update skip locked',
  'select * from t for no key update',
  'select * from (select * from t for share) x',
  'with d as (delete from t returning *) select count(*) from d',
  'with i as (insert into t values (1) returning *) select * from i',
  'with u as (update t set a = 1 returning *) select * from u',
  'with m as (merge into t using s on true when matched then delete returning *) select * from m',
  "select nextval('s'), count(*) from t",
  "select a from t where b = set_config('a', 'b', false)",
  'select pg_catalog.setval(1)',
  'select mine(1), s.mine(2), "mine"(3), count(*) from t join mine(4) on true',
  'select pg_advisory_lock(1), pg_backend_pid() from t',
  'select system_user, a similar to b, c is normalized, collation for (d) from t',
  'select distinct on (a) over(1), filter(2) from t',
  'select treat(a as nextval), xmlexists(b passing c) from t',
  'select a operator(s.+) mine(1) from t',
  'insert into t select 1',
  'explain analyze delete from t',
  'copy (select 1) to stdout',
  "select e'\\' into t --'",
  "select $$a$$, $b$ ' $b$, u&'d' , u&\"e\", b'1', x'f', n'g'",
];

const PIECES = [
  ...[
    '(',
    ')',
    '(',
    ')',
    ',',
    '.',
    ';',
    '*',
    '=',
    '+',
    '-',
    '/',
    '::',
    '[',
    ']',
    '||',
    ':=',
    '=>',
    '?',
    '<>',
    ':',
  ],
  ...[
    "'a'",
    "'it''s'",
    "'\\'",
    "e'\\''",
    '"b"',
    '"c""d"',
    '$1',
    '1',
    '1.5',
    '.5',
    '1e9',
    '0x1f',
    '1_000',
    '1.',
    '1e',
    '$$',
    '$a$',
  ],
  ...[
    '/* c */',
    '/* /* n */ */',
    '-- l\n',
    '-- r\r',
    '/*',
    '*/',
    '--',
    "'",
    '"',
    '\n',
    '\t',
    '\v',
    '\u00a0',
    'ä',
    '\u0000',
    '\\',
  ],
  ...[
    'count(',
    'mine(',
    'nextval(',
    's.count(',
    'over (',
    'filter (',
    'join (',
    'by (',
    'as x(',
    'into t',
    'for update',
  ],
  ...[
    'select',
    'select',
    'from',
    'where',
    'as',
    'distinct on',
    'group by',
    'order by',
    'count',
    'mine',
    'a',
    't',
    'u',
    'e',
    'u&',
  ],
];

/** The same numbers each time (mulberry32). */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const random = randoms(7);
const oneOf = <T>(all: readonly T[]): T => all[random(all.length)] as T;

const NUMBERS = ['7', '42', '0', '123456789012'];
const STRINGS = [
  "'a'",
  "''",
  "'it''s'",
  "'; drop table t; --'",
  "'/* '",
  "'1 day'",
  "'ä\u{1f600}'",
];
const BLANKS = [
  ' ',
  '  ',
  '\n',
  ' \t',
  '/* c */',
  ' /* a /* b */ */ ',
  ' -- for update\n',
  ' --\r',
  '/*traceparent=00-1*/ ',
];

/** A statement with values and comments. The `?` of an operator has a blank behind and no comma: it stays. */
function filled(template: string): string {
  const end = oneOf(['', ' ', '/* e */', ' -- e', '\n']);
  return (
    template
      .replace(/(?<![|] ?|data )\?(?!\|)/g, () => oneOf(NUMBERS))
      .replace(/#(?!>)/g, () => oneOf(STRINGS))
      .replace(/ /g, () => oneOf(BLANKS)) + end
  );
}

const TOKENS = /'(?:[^']|'')*'|"[^"]*"|\$?\w+|\s+|[^\w\s]/g;

/** A statement of which a few tokens are gone, doubled, swapped, or others. */
function mutated(text: string): string {
  const tokens = text.match(TOKENS) ?? [];
  for (let n = 1 + random(3); n > 0; n--) {
    const at = random(tokens.length + 1);
    const piece = random(3) === 0 ? oneOf(KEYWORDS) : oneOf(PIECES);
    const change = random(6);
    if (change === 0) tokens.splice(at, 1);
    else if (change === 1) tokens.splice(at, 0, tokens[random(tokens.length)] ?? '');
    else if (change === 2) tokens.splice(at, 0, piece, oneOf(['', ' ']));
    else if (change === 3) tokens.splice(at, 1, piece);
    else if (change === 4)
      tokens.splice(at, 0, ...(oneOf([...READS, ...ACTS]).match(TOKENS) ?? []).slice(random(20)));
    else tokens[at] = oneOf(BLANKS);
  }
  return tokens.join('');
}

function invented(): string {
  let text = oneOf(['select ', 'select ', 'with a as (', 'values (', '']);
  for (let n = 2 + random(10); n > 0; n--)
    text += (random(3) === 0 ? oneOf(KEYWORDS) : oneOf(PIECES)) + oneOf(['', ' ', ' ']);
  return text;
}

/** The tree without places and values: what is left of two texts of one shape has to be the same. */
function bare(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(bare);
  if (node === null || typeof node !== 'object') return node;
  const entries = Object.entries(node).filter(
    ([key]) => !/^(?:stmt_|rexpr_list_|list_)?(?:location|len|start|end)$/.test(key),
  );
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      key === 'A_Const' ? constant(value as object) : bare(value),
    ]),
  );
}

function constant(value: object): string {
  if ('sval' in value) return 'string';
  return 'ival' in value || 'fval' in value ? 'number' : JSON.stringify(bare(value));
}

function treeOf(text: string): string | undefined {
  try {
    return JSON.stringify(bare(parseSync(text)));
  } catch {
    return undefined;
  }
}

/** With a comment behind these words libpg-query does not see the word that belongs to them, and takes them for something else. */
const UNSEEN = /\b(?:format|not|nulls|with|without)\s*(?:\/\*|--)/i;

/** What is wrong with the judgement on a text; undefined when nothing is. */
function faultOf(text: string): string | undefined {
  const shape = shapeOfReading(text);
  if (shape === undefined) return undefined;
  const { kind, because, trace } = judgeByParser(text);
  const isPure = kind === 'pure' && because === undefined && trace === 'none';
  if (!isPure && kind !== 'unknown') return `is ${kind}`;
  if (shapeOfReading(shape) !== shape) return `has the shape ${shape}, and that another one`;
  return kind === 'unknown' || UNSEEN.test(text) || treeOf(text) === treeOf(shape)
    ? undefined
    : `is another statement than ${shape}`;
}

const faultsOf = (texts: Iterable<string>): string[] =>
  Array.from(texts, (text) => ({ text, fault: faultOf(text) }))
    .filter(({ fault }) => fault !== undefined)
    .map(({ text, fault }) => `${JSON.stringify(text)} ${fault}`)
    .slice(0, 5);

function* generated(count: number, make: () => string): Generator<string> {
  for (let n = 0; n < count; n++) yield make();
}

describe('what the words prove, the parser finds too', () => {
  it('with each keyword in each place', () => {
    const texts = KEYWORDS.flatMap((word) => PLACES.map((place) => place.replaceAll('@', word)));
    expect(texts.length).toBeGreaterThan(30_000);
    expect(faultsOf(texts)).toEqual([]);
  });

  it('in tokens that follow each other by chance', () => {
    expect(faultsOf(generated(26_000, invented))).toEqual([]);
  });

  it('in real statements of which tokens were changed', () => {
    const make = (): string => mutated(filled(oneOf(random(2) === 0 ? READS : ACTS)));
    expect(faultsOf(generated(26_000, make))).toEqual([]);
  });
});

describe('texts that differ in values and comments only', () => {
  it.each(READS)('have one shape: %s', (template) => {
    const shapes = new Set<string | undefined>();
    for (let n = 0; n < 100; n++) {
      const text = filled(template);
      expect(faultOf(text)).toBeUndefined();
      shapes.add(shapeOfReading(text));
    }
    expect([...shapes]).toEqual([expect.any(String)]);
  });
});
