// What the house tests read: the library's source files, parsed by TypeScript without type checking.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

/** Root of the workspace. */
export const workspaceDir = resolve(import.meta.dirname, '../..');

/** Root of the library's sources. */
export const libraryDir = join(workspaceDir, 'libs/database/src');

/** Paths below {@link libraryDir} of all source files whose path matches, in order. */
export function sourcePaths(pattern: RegExp): string[] {
  return readdirSync(libraryDir, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => pattern.test(path))
    .sort();
}

/** The syntax tree of a file below {@link libraryDir}. */
export function parseSource(path: string): ts.SourceFile {
  const text = readFileSync(join(libraryDir, path), 'utf8');
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}
