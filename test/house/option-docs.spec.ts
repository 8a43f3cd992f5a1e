// A default exists once, beside its documentation: every `@default` says what the code does.
import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { libraryDir, parseSource, sourcePaths } from './library-source.js';

/** An exported `..._DEFAULTS` constant and the interface whose defaults it holds. */
interface DefaultsConstant {
  readonly path: string;
  readonly constant: string;
  readonly interfaceName: string;
}

/** The interface is the constant's type, or the `{@link ...}` of its comment. */
function defaultsConstants(path: string): DefaultsConstant[] {
  return parseSource(path)
    .statements.filter(ts.isVariableStatement)
    .flatMap((statement) => [...statement.declarationList.declarations])
    .filter((declaration) => declaration.name.getText().endsWith('_DEFAULTS'))
    .map((declaration) => {
      const comment = declaration.parent.parent.getFullText();
      const linked = /\{@link (\w+)\}/.exec(comment)?.[1] ?? '';
      const interfaceName = declaration.type?.getText() ?? linked;
      return { path, constant: declaration.name.getText(), interfaceName };
    });
}

/** The text of `@default` per option of an interface; undefined where there is none. */
function documentedDefaults(path: string, name: string): Map<string, string | undefined> {
  const found = parseSource(path).statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  ) as ts.InterfaceDeclaration | undefined;
  if (!found)
    throw new Error(`${path} has no interface ${name}: options and defaults live together`);
  return new Map(
    found.members.filter(ts.isPropertySignature).map((member) => {
      const tag = ts.getJSDocTags(member).find((each) => each.tagName.text === 'default');
      return [member.name.getText(), ts.getTextOfJSDocComment(tag?.comment)?.trim()];
    }),
  );
}

/** The value a `@default` writes as a literal; a remark may follow (`2, or max when that is less`). */
function literal(text: string): unknown {
  // Through JSON, so that objects of the other context compare as ours.
  const value: unknown = runInNewContext(`(${text.split(/, (?=[a-z])/)[0]})`);
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

const constants = sourcePaths(/(?<!spec)\.ts$/).flatMap(defaultsConstants);

it('finds the options of the rooms', () => {
  expect(constants.length).toBeGreaterThanOrEqual(5);
});

describe.each(constants)('$constant ($path)', ({ path, constant, interfaceName }) => {
  const documented = documentedDefaults(path, interfaceName);
  const load = async (): Promise<Record<string, unknown>> => {
    const module = (await import(join(libraryDir, path))) as Record<
      string,
      Record<string, unknown>
    >;
    return module[constant] ?? {};
  };

  it('is frozen, and each of its values is documented', async () => {
    const defaults = await load();
    expect(Object.isFrozen(defaults)).toBe(true);
    const described = [...documented].filter(([, text]) => text !== undefined);
    expect(described.map(([option]) => option)).toEqual(
      expect.arrayContaining(Object.keys(defaults)),
    );
  });

  it.each([...documented].filter(([, text]) => text !== undefined))(
    '%s is %s, as documented',
    async (option, text = '') => {
      expect((await load())[option]).toEqual(literal(text));
    },
  );
});
