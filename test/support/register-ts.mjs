// Lets this process import TypeScript sources by the hooks of ts-hooks.mjs: `node --import ./test/support/register-ts.mjs script.ts`.
import { register } from 'node:module';
import { URL } from 'node:url';

register('./ts-hooks.mjs', import.meta.url);

/** Imports a source of this folder. Jest compiles its global setup to CommonJS, where `import()` would become `require()`. */
export const importSource = (name) => import(new URL(name, import.meta.url).href);
