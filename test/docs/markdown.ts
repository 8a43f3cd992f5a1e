// What the tests read of a Markdown page: its code, its tables, its links, its headings.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './snippets.js';

/** Paths of all pages below docs/, in order. */
export const pages: readonly string[] = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .sort()
  .map((name) => `docs/${name}`);

/** A page, taken apart. */
export interface Page {
  readonly path: string;
  readonly text: string;
  /** The text without its fenced blocks. */
  readonly prose: string;
}

export function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, prose: text.replace(/^```[^]*?^```$/gm, '') };
}

/** The fenced blocks of a language. */
export function blocksOf({ text }: Page, language: string): string[] {
  const blocks = text.matchAll(/^```(\w*)\n([^]*?)^```$/gm);
  return [...blocks].filter(([, name]) => name === language).map(([, , code = '']) => code);
}

/** What stands between backticks in the prose. */
export function inlineCode({ prose }: Page): string[] {
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** Relative links, as they are written. */
export function linksOf({ prose }: Page): string[] {
  return [...prose.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = '']) => link);
}

/** The anchors that GitHub gives the headings. */
export function anchorsOf({ prose }: Page): string[] {
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** One row of a table: its cells by the heading of their column. */
export type Row = Readonly<Record<string, string>>;

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The tables of a page, each as its rows; found by the line of dashes below the headings. */
export function tablesOf({ prose }: Page): Row[][] {
  const tables = prose.matchAll(/^(\|.+\|)\n\|[-| :]+\|\n((?:\|.+\|\n)*)/gm);
  return [...tables].map(([, head = '', body = '']) => {
    const columns = cellsOf(head);
    const lines = body.split('\n').filter((line) => line !== '');
    return lines.map((line) => {
      const cells = cellsOf(line);
      return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']));
    });
  });
}

/** A cell without the backticks around its code. */
export function bare(cell = ''): string {
  return cell.replace(/^`(.*)`$/, '$1');
}
