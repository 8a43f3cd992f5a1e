// Without any optional peer (TypeORM, Terminus, embedded binaries) every door opens, and both module systems get one instance.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
for (const door of ['nestjs-database', 'nestjs-database/embedded', 'nestjs-database/testing']) {
  const imported = await import(door);
  assert.ok(Object.keys(imported).length > 0, `${door} exports nothing`);
  assert.equal(require(door), imported, `${door} is loaded twice`);
}
// Node takes the ESM build for `require` too; Jest and bundlers take the CommonJS one, which has to offer the same.
const folder = path.dirname(require.resolve('nestjs-database/package.json'));
const commonjs = require(path.join(folder, 'dist/cjs/index.js'));
assert.deepEqual(Object.keys(commonjs).sort(), Object.keys(await import('nestjs-database')).sort());

const { DatabaseModule } = await import('nestjs-database');
assert.equal(typeof DatabaseModule.forRoot, 'function');
console.log('consumer: ok');
