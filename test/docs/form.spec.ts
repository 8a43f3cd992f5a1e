// The form of the pages, and that every name they use exists: classes, codes, events, options, metrics, methods, commands.
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';
import * as library from 'nestjs-database';
import * as embedded from '../../libs/database/src/embedded/index.js';
import {
  PLATFORM_PACKAGE_VERSION,
  platformPackageName,
} from '../../libs/database/src/embedded/platform-package.js';
import { EVENT_LINES } from '../../libs/database/src/telemetry/event-lines.js';
import { libraryDir, parseSource, sourcePaths } from '../house/library-source.js';
import { useTestDatabase } from '../support/postgres.js';
import { LOG_LINES } from './log-samples.js';
import {
  anchorsOf,
  bare,
  blocksOf,
  inlineCode,
  linksOf,
  pages,
  readPage,
  tablesOf,
} from './markdown.js';
import { root } from './snippets.js';

const database = useTestDatabase('form');
const exported = { ...library, ...embedded } as Record<string, { prototype?: object }>;
const sources = sourcePaths(/(?<!spec)\.ts$/)
  .map((path) => readFileSync(join(libraryDir, path), 'utf8'))
  .join('\n');

const events = parseSource('kernel/event-map.ts')
  .statements.filter(ts.isInterfaceDeclaration)
  .filter(({ name }) => name.text === 'EventMap')
  .flatMap(({ members }) =>
    members.map((member) => bare(member.name?.getText().replace(/'/g, '`'))),
  );
const options = ['docs/options.md', 'docs/typeorm.md']
  .flatMap((path) => tablesOf(readPage(path)).flat())
  .flatMap((row) => (row['option'] ?? '').split(', ').map(bare));
const slices = new Set(options.map((option) => option.split('.')[0] ?? ''));

/** Whatever an event may tell. */
const FACTS = {
  ...{ node: 'primary', role: 'primary', from: 'replica', to: 'primary', work: 'w', event: 'e' },
  ...{ error: new Error('x'), attempt: 1, backendPid: 1, leased: 1, max: 1, destroyed: 0 },
  ...{ text: 'select 1', outcome: 'committed' },
  ...{ downMs: 1, heldMs: 1, tookMs: 1, openMs: 1, delayMs: 1 },
};

/** Why a name in backticks does not exist; undefined for what exists, and for what is no name of ours. */
function complaintAbout(code: string): string | undefined {
  if (/^[A-Z]\w+Error$/.test(code) && code !== 'QueryFailedError') {
    return code in exported ? undefined : 'is no class of the library';
  }
  if (/^DB_[A-Z_]+$/.test(code)) {
    return sources.includes(code) ? undefined : 'is neither a code nor a variable';
  }
  if (/^[a-z]+:[a-z-]+$/.test(code)) return events.includes(code) ? undefined : 'is no event';
  if (/^(db_client|process|nodejs)_\w+$/.test(code)) {
    const family = code.replace(/^db_client_connection_|_total$/g, '');
    return sources.includes(code) || sources.includes(`'${family}'`) ? undefined : 'is no metric';
  }
  const [, slice = '', key] = /^(\w+)\.(\w+)$/.exec(code) ?? [];
  if (key !== undefined && slices.has(slice)) {
    return options.includes(code) ? undefined : 'is no option';
  }
  const method = /^(db|tx)\.(\w+)\(/.exec(code);
  if (method === null) return undefined;
  const known: object =
    method[1] === 'db'
      ? library.DatabaseService.prototype
      : { query: 0, afterCommit: 0, afterRollback: 0, backendPid: 0, isHealthy: 0 };
  return (method[2] ?? '') in known ? undefined : 'is no method';
}

it('there are pages', () => {
  expect(pages.length).toBeGreaterThanOrEqual(12);
});

describe.each(pages.map((path) => [path, readPage(path)] as const))('%s', (path, page) => {
  it('is a page that can be read in one go', () => {
    // A reference has one row an option.
    expect(page.text.split('\n').length).toBeLessThanOrEqual(
      path.endsWith('options.md') ? 180 : 125,
    );
  });

  it('says first what it is for', () => {
    expect(page.text).toMatch(/^# .+\n\n[A-Z`][^|#\n]{40,}/);
  });

  it('has blocks of known languages only', () => {
    const languages = [...page.text.matchAll(/^```(.*)\n[^]*?^```$/gm)].map(([, name]) => name);
    expect(['ts', 'sh', 'sql', 'log']).toEqual(expect.arrayContaining(languages));
  });

  it('links to what exists', () => {
    for (const link of linksOf(page)) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : posix.join('docs', file);
      expect([link, existsSync(join(root, target))]).toEqual([link, true]);
      if (anchor === undefined) continue;
      expect(anchorsOf(readPage(target))).toContain(anchor);
    }
  });

  it('names what exists', () => {
    const complaints = inlineCode(page).flatMap((code) => {
      const complaint = complaintAbout(code);
      return complaint === undefined ? [] : [`${code} ${complaint}`];
    });
    expect(complaints).toEqual([]);
  });

  it('quotes log lines as they are', () => {
    const quoted = blocksOf(page, 'log').flatMap((block) => block.trim().split('\n'));
    expect(LOG_LINES).toEqual(expect.arrayContaining(quoted));
  });

  it('has SQL that runs', async () => {
    for (const text of blocksOf(page, 'sql')) {
      expect((await database.sql(text)).length).toBeGreaterThan(0);
    }
  });

  it('has commands that the library itself names', () => {
    const binaries = `${platformPackageName('linux', 'x64')}@${PLATFORM_PACKAGE_VERSION}`;
    const known = `${sources}\nnpm install --save-dev ${binaries}`;
    for (const block of blocksOf(page, 'sh')) expect(known).toContain(block.trim());
  });
});

describe('docs/health.md', () => {
  const rows = tablesOf(readPage('docs/health.md'))
    .flat()
    .filter((row) => 'level' in row);
  const eventsIn = (cell = ''): string[] => cell.match(/[a-z]+:[a-z-]+/g) ?? [];

  it('knows all events', () => {
    const named = new Set(rows.flatMap((row) => eventsIn(row['events'])));
    expect([...named].sort()).toEqual([...events].sort());
  });

  it.each(rows.flatMap((row) => eventsIn(row['events']).map((name) => [name, row['level']])))(
    'knows how loud %s is: %s',
    (name = '', level) => {
      const cancelled = level === 'warn' ? 1 : 0;
      const facts = { ...FACTS, cancelled } as never;
      expect(EVENT_LINES[name as keyof typeof EVENT_LINES]?.(facts)?.level ?? 'none').toBe(level);
    },
  );
});
