// The TypeScript blocks of a Markdown page, by the file name in their first line.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

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

/** Writes the snippets of a page as files, where the aliases of the tests hold. */
export async function layOut(
  page: string,
): Promise<{ directory: string; remove(): Promise<void> }> {
  const name = page.replace(/\W+/g, '-').toLowerCase();
  const directory = join(root, 'test', 'docs', `.laid-out-${name}-${process.pid}`);
  await mkdir(directory, { recursive: true });
  for (const [file, code] of await readSnippets(page)) await writeFile(join(directory, file), code);
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}
