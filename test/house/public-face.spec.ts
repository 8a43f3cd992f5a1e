// The public names are a promise: each door exports exactly what public-face.txt lists.
import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { parseSource } from './library-source.js';

const doors = {
  'nestjs-database': 'index.ts',
  '/embedded': 'embedded/index.ts',
  '/testing': 'testing/index.ts',
};

/** The names a door exports. A door names everything: `export *` and declarations of its own are refused. */
function exportedNames(path: string): string[] {
  return parseSource(path).statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement)) return [];
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined;
    if (!clause || !ts.isNamedExports(clause)) {
      throw new Error(
        `${path} must export by explicit names only: ${statement.getText().slice(0, 80)}`,
      );
    }
    return clause.elements.map((element) => element.name.text);
  });
}

/** `[door]` lines, each followed by its names. */
function render(): string {
  return Object.entries(doors)
    .map(([door, path]) => [`[${door}]`, ...exportedNames(path).sort(), ''].join('\n'))
    .join('\n');
}

it('exports the names of test/house/public-face.txt, which changes only together with the CHANGELOG', () => {
  expect(render()).toBe(readFileSync(join(import.meta.dirname, 'public-face.txt'), 'utf8'));
});
