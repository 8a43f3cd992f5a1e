// EmbeddedPostgres: a real PostgreSQL for development and tests, from npm, with its data kept.
import { join, resolve } from 'node:path';
import { ensureDatabase } from './admin-session.js';
import { findProjectDir, stateDirOf } from './data-dir.js';
import { EmbeddedPostgresError } from './embedded.errors.js';
import type { EmbeddedPostgresOptions } from './embedded.options.js';
import { launch } from './launch.js';
import { holdServer, type ServerHold } from './shared-servers.js';

/** A running PostgreSQL of this project. Made by {@link EmbeddedPostgres.start}. */
export class EmbeddedPostgres {
  readonly host = '127.0.0.1';
  readonly user = 'postgres';
  // Private to the language, so that a logged handle shows no password.
  readonly #hold: ServerHold;
  #stopping: Promise<void> | undefined;

  private constructor(
    hold: ServerHold,
    /** The folder with all its files; deleting it starts empty. */
    readonly dataDir: string,
    /** The database that `url` names. */
    readonly database: string,
  ) {
    this.#hold = hold;
  }

  /**
   * Starts the project's server, or joins the one that runs on the same data directory already, in
   * this process or in another one. The first start makes the data directory (1-2 s), later ones take
   * well below a second. Any number of calls may run at once.
   * @throws EmbeddedPostgresError with cause and mend; in production always, unless it is allowed.
   */
  static async start(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
    refuseProduction(options);
    const projectDir = findProjectDir();
    const dataDir = resolve(options.dataDir ?? join(stateDirOf(projectDir), 'postgres'));
    const hold = await holdServer(dataDir, () => launch(dataDir, projectDir, options)).catch(
      (error: unknown) => {
        throw asEmbeddedError(dataDir, error);
      },
    );
    const handle = new EmbeddedPostgres(hold, dataDir, options.database ?? 'app');
    try {
      await handle.#open(options);
    } catch (error) {
      await handle.stop();
      throw error;
    }
    return handle;
  }

  /** Connection URL with the password. It opens the server for its superuser: keep it out of logs. */
  get url(): string {
    return this.urlOf(this.database);
  }

  get port(): number {
    return this.#hold.server.port;
  }

  /** The server's process id. */
  get pid(): number {
    return this.#hold.server.pid;
  }

  /** Version of the binaries, as in `18.4`. */
  get version(): string {
    return this.#hold.version;
  }

  /**
   * True while another process owns the server. When that one ends, the server is started again on
   * the same port, and belongs to this process.
   */
  get isBorrowed(): boolean {
    return !this.#hold.server.owned;
  }

  /** Connection URL of another database on this server. */
  urlOf(database: string): string {
    const login = `${this.user}:${this.#hold.password}`;
    return `postgresql://${login}@${this.host}:${this.port}/${encodeURIComponent(database)}`;
  }

  /**
   * Gives the server back. The last handle of the process that started it ends it: fast, then
   * immediate, then by force, within `stopTimeoutMs` + 4 s. Idempotent; all calls share one promise.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#hold.release();
    return this.#stopping;
  }

  async #open({ port, onProgress }: EmbeddedPostgresOptions): Promise<void> {
    if (port !== undefined && port !== this.port) {
      throw new EmbeddedPostgresError(
        `This process runs the server on port ${this.port} already, not on ${port}`,
        { mend: 'Leave the option port out to share it, or pass another dataDir.' },
      );
    }
    try {
      await ensureDatabase({ port: this.port, password: this.#hold.password }, this.database);
    } catch (cause) {
      throw new EmbeddedPostgresError(
        `The database "${this.database}" could be neither opened nor created`,
        { mend: 'See the cause.', cause },
      );
    }
    onProgress?.(`ready on ${this.host}:${this.port}`);
  }
}

function refuseProduction({ allowInProduction }: EmbeddedPostgresOptions): void {
  if (process.env['NODE_ENV'] !== 'production' || allowInProduction === true) return;
  throw new EmbeddedPostgresError('The embedded PostgreSQL is not for production', {
    mend: 'Set the url of your server (DATABASE_URL), or pass allowInProduction: true if you mean it.',
  });
}

/** What no step foresaw, such as a full disk, is still an error of this server. */
function asEmbeddedError(dataDir: string, cause: unknown): EmbeddedPostgresError {
  if (cause instanceof EmbeddedPostgresError) return cause;
  return new EmbeddedPostgresError(`The embedded PostgreSQL in ${dataDir} could not be started`, {
    mend: 'See the cause; deleting that folder starts with an empty one.',
    cause,
  });
}
