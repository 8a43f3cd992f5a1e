// One PostgreSQL server of a test: start, stop, kill, freeze, promote.
import { execFile } from 'node:child_process';
import { chown, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dataDirAt } from '../../libs/database/src/embedded/data-dir.js';
import type { DataDir } from '../../libs/database/src/embedded/data-dir.js';
import { isProcessAlive } from '../../libs/database/src/embedded/postmaster.js';
import { ServerProcess } from '../../libs/database/src/embedded/server-process.js';
import { renderSettings } from '../../libs/database/src/embedded/settings.js';
import type { ServerSettings } from '../../libs/database/src/embedded/settings.js';
import { copyTemplate } from './cluster-template.js';
import type { ClusterTemplate } from './cluster-template.js';
import { sql } from './sql.js';
import type { TestBinaries } from './test-binaries.js';
import { waitFor } from './wait-for.js';

const run = promisify(execFile);
const READY_MS = 30_000;
const STOP_MS = 5_000;

/** What a node is made of. */
export interface NodeRecipe {
  readonly name: string;
  readonly root: string;
  readonly port: number;
  readonly binaries: TestBinaries;
  readonly template: ClusterTemplate;
  readonly settings: ServerSettings;
}

/** A server that a test may do anything to. Its port stays the same for its whole life. */
export class ServerNode {
  readonly name: string;
  readonly port: number;
  private readonly dir: DataDir;
  private process: ServerProcess | undefined;
  /** Frozen processes, the postmaster first. */
  private frozen: readonly number[] = [];

  private constructor(private readonly recipe: NodeRecipe) {
    this.name = recipe.name;
    this.port = recipe.port;
    this.dir = dataDirAt(recipe.root);
  }

  /** Lays the data out, as a standby of `upstream` when one is given. Does not start it. */
  static async create(recipe: NodeRecipe, upstream?: ServerNode): Promise<ServerNode> {
    const node = new ServerNode(recipe);
    await node.layOut(upstream);
    return node;
  }

  /** Process id of the postmaster. */
  get pid(): number {
    return this.running().pid;
  }

  /** True while the postmaster lives, frozen or not. */
  get isRunning(): boolean {
    return this.process?.isRunning === true;
  }

  /** Superuser's URL. */
  url(database = 'postgres'): string {
    return `postgresql://postgres:${this.recipe.template.password}@127.0.0.1:${this.port}/${database}`;
  }

  /** Rows of one statement on a connection of its own. */
  sql<Row extends Record<string, unknown>>(text: string, values?: unknown[], database?: string) {
    return sql<Row>(this.url(database), text, values);
  }

  /** Starts the server and waits until it accepts connections. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    const { port, recipe, dir } = this;
    this.process = await ServerProcess.spawn({
      binDir: recipe.binaries.binDir,
      pgdata: dir.pgdata,
      logFile: dir.logFile,
      user: recipe.binaries.user,
      settings: { port, listen_addresses: '127.0.0.1', unix_socket_directories: '' },
    });
    if (await this.process.becomesReady(READY_MS)) return;
    throw new Error(`${this.name} did not start:\n${await this.process.logTail()}`);
  }

  /** Fast shutdown: sessions are told and closed, the data is complete. Does nothing to a server that is down. */
  async stop(): Promise<void> {
    if (this.frozen.length > 0) this.resume();
    await this.process?.stop(STOP_MS);
  }

  /** Stop and start. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The machine loses power: every process of the server is killed, nothing is flushed or said. */
  async kill9(): Promise<void> {
    const server = this.running();
    const pids = [server.pid, ...(await childrenOf(server.pid))];
    for (const pid of pids) signal(pid, 'SIGKILL');
    this.frozen = [];
    await server.ended();
    // Until the last child is gone, its shared memory keeps the server from starting again.
    await waitFor(async () => (await Promise.all(pids.map(hasEnded))).every(Boolean), {
      describe: `the end of ${this.name}'s processes`,
    });
  }

  /** The machine hangs: connections stay open, and nothing answers any more. */
  async pause(): Promise<void> {
    const { pid } = this.running();
    // The postmaster first, for it would start new children while the others are stopped.
    signal(pid, 'SIGSTOP');
    const children = await childrenOf(pid);
    for (const child of children) signal(child, 'SIGSTOP');
    this.frozen = [pid, ...children];
  }

  /** The machine comes back to life after {@link pause}. */
  resume(): void {
    for (const pid of this.frozen.toReversed()) signal(pid, 'SIGCONT');
    this.frozen = [];
  }

  /** Makes a standby a primary, and waits until it accepts writes. */
  async promote(): Promise<void> {
    const [row] = await this.sql<{ done: boolean }>('select pg_promote(true, 30) as done');
    if (row?.done !== true) throw new Error(`${this.name} could not be promoted`);
  }

  /** Comes back as a standby of another server, with data copied anew; what only it had is lost. */
  async rejoin(upstream: ServerNode): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs: stop or kill it first`);
    await this.removeData();
    await this.layOut(upstream);
    await this.start();
  }

  /** The end of the server's log of this start. */
  async log(): Promise<string> {
    return this.running().logTail();
  }

  /** Ends the server without a checkpoint and deletes its data. */
  async destroy(): Promise<void> {
    if (this.frozen.length > 0) this.resume();
    this.process?.signal('SIGQUIT');
    await this.process?.stop(STOP_MS);
    await this.removeData();
  }

  private running(): ServerProcess {
    if (this.process === undefined) throw new Error(`${this.name} was not started`);
    return this.process;
  }

  private async layOut(upstream: ServerNode | undefined): Promise<void> {
    const { settings, template } = this.recipe;
    await copyTemplate(template, this.dir);
    const conninfo = upstream && {
      primary_conninfo: `host=127.0.0.1 port=${upstream.port} user=postgres password=${template.password} application_name=${this.name}`,
    };
    await this.give(this.dir.settingsFile, renderSettings({ ...settings, ...conninfo }));
    if (upstream) await this.give(join(this.dir.pgdata, 'standby.signal'), '');
  }

  /** Writes a file for the server's user alone: it may hold the password. */
  private async give(path: string, text: string): Promise<void> {
    const { uid, gid } = this.recipe.binaries.user;
    await writeFile(path, text, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
  }

  private async removeData(): Promise<void> {
    const pidFile = await readFile(join(this.dir.pgdata, 'postmaster.pid'), 'utf8').catch(() => '');
    // A killed server leaves a segment of System V memory; its number is on line 7.
    const segment = pidFile.split('\n')[6]?.trim().split(/\s+/)[1];
    if (segment !== undefined) await run('ipcrm', ['-m', segment]).catch(() => undefined);
    await rm(this.dir.root, { recursive: true, force: true });
  }
}

/** A zombie has ended too: it waits for a parent that may take its time. */
async function hasEnded(pid: number): Promise<boolean> {
  if (!isProcessAlive(pid)) return true;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return /\) [ZX] /.test(stat);
}

async function childrenOf(pid: number): Promise<number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=']);
    const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    return rows.filter(([, parent]) => parent === pid).map(([child]) => child as number);
  }
}

/** A process that ended in the meantime is what the caller wants, or does not mind. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
