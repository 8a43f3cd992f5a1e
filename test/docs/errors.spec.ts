// The table of errors is true: every class, its code, and the status that the exception filter answers with.
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import * as common from '../../libs/database/src/kernel/errors.js';
import * as refused from '../../libs/database/src/kernel/query-errors.js';
import { EmbeddedPostgresError } from '../../libs/database/src/embedded/embedded.errors.js';
import { httpAnswerOf } from '../../libs/database/src/ops/endpoints/exception.rules.js';
import { parseSource } from '../house/library-source.js';
import { bare, readPage, tablesOf } from './markdown.js';

const errors = { ...common, ...refused };

/** The `code` of each class that can be thrown, as it is written in the source. */
function declaredCodes(path: string): Array<readonly [string, string]> {
  return parseSource(path)
    .statements.filter(ts.isClassDeclaration)
    .flatMap((declaration) => {
      const code = declaration.members
        .filter(ts.isPropertyDeclaration)
        .find((member) => member.name.getText() === 'code')?.initializer;
      const name = declaration.name?.getText() ?? '';
      return code !== undefined && ts.isStringLiteral(code) ? [[name, code.text] as const] : [];
    });
}

const declared = [
  ...declaredCodes('kernel/errors.ts'),
  ...declaredCodes('kernel/query-errors.ts'),
  ...declaredCodes('embedded/embedded.errors.ts'),
];
const rows = tablesOf(readPage('docs/errors.md'))
  .flat()
  .filter((row) => 'class' in row);

describe('docs/errors.md', () => {
  it('names every error, with its code', () => {
    const shown = rows.map((row) => [bare(row['class']), bare(row['code'])]);
    expect(shown.sort()).toEqual(declared.map((each) => [...each]).sort());
    const exported = Object.keys(errors).filter((name) => name !== 'DatabaseError');
    expect(exported.length + 1).toBe(declared.length);
  });

  it.each(rows.map((row) => [bare(row['class']), row] as const))(
    '%s has the status of the filter',
    (name, row) => {
      const all: Record<string, unknown> = { ...errors, EmbeddedPostgresError };
      const { prototype } = all[name] as { prototype: object };
      const error = Object.create(prototype) as common.DatabaseError;
      expect(Number(row['HTTP'])).toBe(httpAnswerOf(error).status);
    },
  );
});
