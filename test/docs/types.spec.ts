// The snippets type-check, under the very options that the repository has.
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import ts from 'typescript';
import { pages } from './markdown.js';
import { layOut, readSnippets, root } from './snippets.js';
import type { LaidOutPage } from './snippets.js';

const WRONG = 'wrong.ts';
const laidOut = new Map<string, LaidOutPage>();
let complaints: string[] = [];

function optionsOfRepository(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  ) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

function complaintOf({ file, start, messageText }: ts.Diagnostic): string {
  const text = ts.flattenDiagnosticMessageText(messageText, '\n');
  if (file === undefined) return text;
  const line = file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
  const page = [...laidOut].find(([, { directory }]) => directory === dirname(file.fileName));
  return `${page?.[0]} ${basename(file.fileName)}:${line}: ${text}`;
}

beforeAll(async () => {
  const files: string[] = [];
  for (const page of ['README.md', ...pages]) {
    const { directory } = laidOut.set(page, await layOut(page, 'types')).get(page)!;
    for (const file of (await readSnippets(page)).keys()) files.push(join(directory, file));
  }
  const wrong = join(laidOut.get('README.md')!.directory, WRONG);
  await writeFile(
    wrong,
    `import { DatabaseService } from 'nestjs-database';\nexport const n: number = DatabaseService;\n`,
  );
  files.push(wrong);
  const program = ts.createProgram(files, optionsOfRepository());
  const found = files.flatMap((file) => {
    const source = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  complaints = [...program.getOptionsDiagnostics(), ...found].map(complaintOf);
}, 120_000);
afterAll(async () => {
  for (const page of laidOut.values()) await page.remove();
});

it('the snippets of all pages type-check', () => {
  expect(complaints.filter((complaint) => !complaint.includes(WRONG))).toEqual([]);
});

it('a snippet that does not is noticed', () => {
  const found = complaints.filter((complaint) => complaint.includes(WRONG));
  expect(found).toEqual([
    expect.stringMatching(/^README\.md wrong\.ts:2: Type 'typeof DatabaseService'/),
  ]);
});
