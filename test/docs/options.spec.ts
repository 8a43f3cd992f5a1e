// The tables of options are true: no option is missing, none is made up, defaults and meanings of 0 are those of the code.
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ConfigurationError, databaseOptionsFromEnv } from 'nestjs-database';
import { resolveOptions } from '../../libs/database/src/database.options.js';
import { libraryDir, parseSource, sourcePaths } from '../house/library-source.js';
import { bare, readPage, tablesOf } from './markdown.js';
import type { Row } from './markdown.js';

/** An option as the code declares it. */
interface Declared {
  readonly type: string;
  /** Text of `@default`; undefined where there is none. */
  readonly fallback: string | undefined;
}

const interfaces = new Map<string, ts.InterfaceDeclaration>();
for (const path of sourcePaths(/(?<!spec)\.ts$/)) {
  for (const statement of parseSource(path).statements) {
    if (ts.isInterfaceDeclaration(statement)) interfaces.set(statement.name.text, statement);
  }
}

function membersOf(name: string): Map<string, Declared> {
  const declaration = interfaces.get(name);
  if (declaration === undefined) throw new Error(`The library has no interface ${name}`);
  const bases = declaration.heritageClauses?.flatMap(({ types }) => [...types]) ?? [];
  const own = declaration.members.filter(ts.isPropertySignature).map((member) => {
    const tag = ts.getJSDocTags(member).find((each) => each.tagName.text === 'default');
    const fallback = ts.getTextOfJSDocComment(tag?.comment)?.trim();
    return [member.name.getText(), { type: member.type?.getText() ?? '', fallback }] as const;
  });
  return new Map([
    ...bases.flatMap(({ expression }) => [...membersOf(expression.getText())]),
    ...own,
  ]);
}

/** All options of the module, by path. A slice that is not always an object is an option of its own too. */
function declaredOptions(): Map<string, Declared> {
  const found = new Map<string, Declared>();
  const expanded = new Set<string>();
  for (const [option, declared] of membersOf('DatabaseModuleOptions')) {
    const slice = /Partial<(\w+)>/.exec(declared.type)?.[1];
    const isRepeated = slice !== undefined && expanded.has(slice);
    if (slice === undefined || isRepeated || /false|boolean/.test(declared.type)) {
      found.set(option, declared);
    }
    if (slice === undefined || isRepeated) continue;
    expanded.add(slice);
    for (const [key, member] of membersOf(slice)) found.set(`${option}.${key}`, member);
  }
  return found;
}

/** Rows of the tables with this column; a cell may name several. */
function rowsOf(page: string, heading: string): Array<readonly [string, Row]> {
  return tablesOf(readPage(page))
    .flat()
    .filter((row) => heading in row)
    .flatMap((row) => (row[heading] ?? '').split(', ').map((name) => [bare(name), row] as const));
}

/** The first part of a default, without quotes and backticks: what both sides have to say alike. */
function leading(text: string): string {
  return (text.split(/, (?=[a-z])/)[0] ?? '').replace(/^[`']+|[`']+$/g, '');
}

/** What a cell has to say of a default. */
function shownDefault(fallback: string | undefined): string {
  return fallback === undefined || fallback === 'undefined' ? 'none' : leading(fallback);
}

/** Options without a row of their own, for they mean what they mean to TypeORM. */
function handedOn(): Array<readonly [string, Row]> {
  const { prose } = readPage('docs/typeorm.md');
  const list = /^Handed to TypeORM as they are: ([^]*?)\.$/m.exec(prose)?.[1] ?? '';
  return [...list.matchAll(/`(\w+)`/g)].map(([, name]) => [`typeorm.${name}`, { default: 'none' }]);
}

const rows = [
  ...rowsOf('docs/options.md', 'option'),
  ...rowsOf('docs/typeorm.md', 'option'),
  ...handedOn(),
];
const declared = declaredOptions();

describe('the options of the module', () => {
  it('are all there, each once, and nothing else is', () => {
    expect(rows.map(([option]) => option).sort()).toEqual([...declared.keys()].sort());
  });

  it('stand in three tiers', () => {
    const tiers = readPage('docs/options.md')
      .prose.match(/^## .*$/gm)
      ?.slice(0, 3);
    expect(tiers).toEqual(['## You must set', '## You will want to set', '## Leave alone']);
  });

  it.each(rows)('%s has its default and its unit', (option, row) => {
    const { fallback, type } = declared.get(option) ?? { fallback: undefined, type: '' };
    const isSwitch = /\| false/.test(type) && !option.includes('.');
    const shown = isSwitch ? /^(on|none)$/ : undefined;
    if (shown === undefined) expect(leading(row['default'] ?? '')).toBe(shownDefault(fallback));
    else expect(row['default']).toMatch(shown);
    const unit = { Ms: 'ms', Bytes: 'bytes', Ratio: '0 to 1' }[
      /(Ms|Bytes|Ratio)$/.exec(option)?.[1] ?? ''
    ];
    if (unit !== undefined) expect(row['unit']).toBe(unit);
  });

  const numbers = rows.filter(([option]) => /^number/.test(declared.get(option)?.type ?? ''));

  it('are numbers in great part', () => {
    expect(numbers.length).toBeGreaterThan(30);
  });

  it.each(numbers)('%s takes 0, or refuses it, as it says', (option, row) => {
    const [slice = '', key = ''] = option.split('.');
    let refused = false;
    try {
      resolveOptions({ url: 'postgresql://h/d', [slice]: { [key]: 0 } });
    } catch (error) {
      const { problems } = error as ConfigurationError;
      refused = problems.some(({ path }) => path === option);
    }
    expect(row['0'] === 'refused').toBe(refused);
    expect(row['0']).not.toBe('');
  });
});

describe.each([
  ['docs/options.md', 'option of a call', 'QueryOptions'],
  ['docs/transactions.md', 'option', 'TransactionOptions'],
  ['docs/streams.md', 'option of `stream`', 'StreamOptions'],
  ['docs/streams.md', 'option of `copyFrom`', 'CopyOptions'],
  ['docs/streams.md', 'option of `copyTo`', 'CopyToOptions'],
  ['docs/listen.md', 'option of `listen`', 'ListenOptions'],
  ['docs/embedded.md', 'option', 'EmbeddedPostgresOptions'],
  ['docs/pool.md', 'figure', 'PoolStats'],
  ['docs/speed.md', 'figure', 'LaneStats'],
])('%s: the table of "%s"', (page, heading, name) => {
  const described = rowsOf(page, heading);
  const members = membersOf(name);

  it('names all of them', () => {
    expect(described.map(([option]) => option)).toEqual([...members.keys()]);
  });

  it.each(described)('%s has its default', (option, row) => {
    const literal = /^(\d+|true|false|'.*')$/.exec(members.get(option)?.fallback ?? '')?.[0];
    if (literal !== undefined) expect(leading(row['default'] ?? '')).toBe(leading(literal));
    if (option.endsWith('Ms')) expect(row['unit']).toBe('ms');
  });
});

describe('the environment variables', () => {
  const read = (path: string): string => readFileSync(join(libraryDir, path), 'utf8');
  const sources = sourcePaths(/^(?!testing|embedded).*(?<!spec)\.ts$/).map(read);
  const known = new Set([
    ...sources.flatMap((text) => [...text.matchAll(/env\['([A-Z_]+)'\]/g)].map(([, name]) => name)),
    ...[...read('database.environment.ts').matchAll(/^ +'?(DB_[A-Z_]+)'?[,:]/gm)].map(
      ([, name]) => name,
    ),
  ]);
  const described = rowsOf('docs/options.md', 'variable');

  it('are all there, and nothing else is', () => {
    expect(described.map(([name]) => name).sort()).toEqual([...known].sort());
  });

  const numeric = described.filter(([name]) => /_MS$|_POOL_/.test(name));

  it.each(numeric)('%s sets the option that it names', (name, row) => {
    const [slice = '', key = ''] = bare(row['sets']).split('.');
    const options = databaseOptionsFromEnv({ [name]: '7' }) as Record<
      string,
      Record<string, unknown>
    >;
    expect(options[slice]?.[key]).toBe(7);
  });
});
