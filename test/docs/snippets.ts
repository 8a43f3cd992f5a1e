// The TypeScript blocks of a Markdown page, by the file name in their first line.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';

/** Repository root. */
export const root = join(import.meta.dirname, '..', '..');

/** Blocks of a page; each has to begin with `// name.ts`, so that it can be a file. */
export async function readSnippets(page: string): Promise<Map<string, string>> {
  const text = await readFile(join(root, page), 'utf8');
  const snippets = new Map<string, string>();
  for (const [, code = ''] of text.matchAll(/^```ts\n([^]*?)^```$/gm)) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
    if (name === undefined) throw new Error(`A snippet of ${page} has no file name: ${code}`);
    if (snippets.has(name)) throw new Error(`${page} has two snippets named ${name}`);
    snippets.set(name, code);
  }
  return snippets;
}

/** The snippets of a page as files; whoever lays them out removes them. */
export interface LaidOutPage {
  readonly directory: string;
  remove(): Promise<void>;
}

/** Writes the snippets of a page as files, where the aliases of the tests hold. */
export async function layOut(page: string, label = 'page'): Promise<LaidOutPage> {
  const name = page.replace(/\W+/g, '-').toLowerCase();
  const directory = join(root, 'test', 'docs', `.laid-out-${label}-${name}-${process.pid}`);
  await mkdir(directory, { recursive: true });
  for (const [file, code] of await readSnippets(page)) await writeFile(join(directory, file), code);
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** A page whose snippets run in the surrounding suite. */
export interface RunningPage {
  /** Imports a snippet, and with it the snippets that it imports. */
  load<T>(file: string, name: string): Promise<T>;
}

/** Lays a page out for the surrounding suite; a snippet that nothing has loaded fails it. */
export function usePage(page: string): RunningPage {
  let laidOut: LaidOutPage | undefined;
  let snippets = new Map<string, string>();
  const loaded = new Set<string>();
  const mark = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, name = ''] of (snippets.get(file) ?? '').matchAll(/ from '\.\/(.+)\.js'/g)) {
      mark(`${name}.ts`);
    }
  };
  beforeAll(async () => {
    snippets = await readSnippets(page);
    laidOut = await layOut(page);
  });
  afterAll(async () => {
    await laidOut?.remove();
    const idle = [...snippets.keys()].filter((file) => !loaded.has(file));
    if (idle.length > 0) throw new Error(`Nothing runs ${idle.join(', ')} of ${page}.`);
  });
  return {
    load: async <T>(file: string, name: string): Promise<T> => {
      mark(file);
      const module = (await import(join(laidOut?.directory ?? '', file))) as Record<string, T>;
      const value = module[name];
      if (value === undefined) throw new Error(`${file} of ${page} exports no ${name}`);
      return value;
    },
  };
}
