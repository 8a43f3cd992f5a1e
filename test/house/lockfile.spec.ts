// The lockfile installs anywhere: public addresses only, a checksum for every tarball, no floating version in the manifest.
import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceDir } from './library-source.js';

interface LockEntry {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

const read = <T>(file: string): T =>
  JSON.parse(readFileSync(join(workspaceDir, file), 'utf8')) as T;

it('names registry.npmjs.org and a checksum for every package', () => {
  const { packages } = read<{ packages: Record<string, LockEntry> }>('package-lock.json');
  const tarballs = Object.entries(packages).filter(
    ([folder, entry]) => folder.includes('node_modules/') && entry.link !== true,
  );
  expect(tarballs.length).toBeGreaterThan(100);
  const wrong = tarballs
    .filter(
      ([, { resolved, integrity }]) =>
        !(resolved?.startsWith('https://registry.npmjs.org/') && integrity),
    )
    .map(([folder]) => folder);
  expect(wrong).toEqual([]);
});

it('pins every dependency of the workspace to one version', () => {
  type Dependencies = Record<string, string>;
  const manifest =
    read<Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Dependencies>>(
      'package.json',
    );
  const ranges = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  };
  expect(
    Object.entries(ranges).filter(([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range)),
  ).toEqual([]);
});
