// The package name stands for the library's sources, as the `paths` of tsconfig.json say; nothing has to be built.
import { URL } from 'node:url';

const sources = new URL('../../libs/database/src/', import.meta.url);

export function resolve(specifier, context, next) {
  const [, subpath] = /^nestjs-database(?:\/(.+))?$/.exec(specifier) ?? [];
  if (!/^nestjs-database(\/|$)/.test(specifier)) return next(specifier, context);
  const file = subpath === undefined ? 'index.ts' : `${subpath}/index.ts`;
  return { url: new URL(file, sources).href, format: 'module', shortCircuit: true };
}
