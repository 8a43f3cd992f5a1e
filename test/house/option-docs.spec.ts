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

async function loadDefaults({
  path,
  constant,
}: DefaultsConstant): Promise<Record<string, unknown>> {
  const module = (await import(join(libraryDir, path))) as Record<string, Record<string, unknown>>;
  return module[constant] ?? {};
}

/** The defaults of a slice, by its name at the door: `pool` is POOL_DEFAULTS. */
async function sliceDefaults(slice: string): Promise<Record<string, unknown>> {
  const found = constants.find(({ constant }) => constant === `${slice.toUpperCase()}_DEFAULTS`);
  return found ? loadDefaults(found) : {};
}

describe.each(constants)('$constant ($path)', (subject) => {
  const documented = [...documentedDefaults(subject.path, subject.interfaceName)].flatMap(
    ([option, text]) => (text === undefined ? [] : [[option, text] as const]),
  );

  it('is frozen, and each of its values is documented', async () => {
    const defaults = await loadDefaults(subject);
    expect(Object.isFrozen(defaults)).toBe(true);
    const options = documented.map(([option]) => option);
    expect(options).toEqual(expect.arrayContaining(Object.keys(defaults)));
  });

  it.each(documented)('%s is %s, as documented', async (option, text) => {
    const defaults = await loadDefaults(subject);
    // An option that follows another one names it, and holds no value of its own.
    const [, slice, followed] = /^([a-z]\w*)\.(\w+)$/i.exec(text) ?? [];
    if (slice !== undefined && followed !== undefined) {
      expect(Object.keys(await sliceDefaults(slice))).toContain(followed);
      expect(defaults).not.toHaveProperty(option);
    } else {
      expect(defaults[option]).toEqual(literal(text));
    }
  });
});
