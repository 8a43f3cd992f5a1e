// A cluster that Patroni looks after: etcd and two nodes. Debian's packages; the suite that needs it is a command of its own.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { findFreePort } from '../../libs/database/src/embedded/free-port.js';
import type { ServerUser } from '../../libs/database/src/embedded/server-user.js';
import { sql } from './sql.js';
import { findTestBinaries, makeRunDir } from './test-binaries.js';
import { waitFor } from './wait-for.js';

const PASSWORD = 'patroni';
/** Patroni's smallest: a dead leader is replaced when its key has expired. */
const TTL_S = 20;

/** One PostgreSQL with the Patroni that runs it. */
export interface PatroniNode {
  readonly name: string;
  readonly url: string;
  /** Kills Patroni and its server: the machine loses power. */
  kill9(): Promise<void>;
  /** Starts it again after {@link kill9}. */
  start(): Promise<void>;
}

/** A running cluster. Whoever starts it stops it. */
export interface PatroniCluster {
  readonly nodes: readonly PatroniNode[];
  /** The node that takes writes now; during a switchover, waits until there is one. */
  requireLeader(): Promise<PatroniNode>;
  /** Hands the leadership to `to` in an orderly way; resolves when Patroni says that it is done. */
  switchover(to: PatroniNode): Promise<void>;
  stop(): Promise<void>;
}

/** @throws with the mend where it is missing: these suites are never skipped. */
function findProgram(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    `There is no ${name} on the PATH. Install it (Debian and Ubuntu: apt-get install patroni etcd-server postgresql), or ` +
      'run the other suites alone: npm test.',
  );
}

/** A program in the background, whose last words are kept. */
class Program {
  private child: ChildProcess | undefined;
  private output = '';

  constructor(
    private readonly command: readonly string[],
    private readonly user: ServerUser,
    private readonly env: NodeJS.ProcessEnv = {},
  ) {}

  get lastWords(): string {
    return this.output.slice(-4_000);
  }

  start(): void {
    const [program = '', ...args] = this.command;
    // A group of its own: a kill reaches what it has started.
    const child = spawn(program, args, {
      ...this.user,
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const collect = (chunk: Buffer): void =>
      void (this.output = (this.output + String(chunk)).slice(-20_000));
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    this.child = child;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

interface NodePorts {
  readonly api: number;
  readonly postgres: number;
}

function configOf(name: string, folder: string, ports: NodePorts, etcdPort: number): string {
  const login = (user: string): object => ({ username: user, password: PASSWORD });
  // JSON is YAML.
  return JSON.stringify({
    scope: 'test',
    name,
    restapi: { listen: `127.0.0.1:${ports.api}`, connect_address: `127.0.0.1:${ports.api}` },
    etcd3: { hosts: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: { ttl: TTL_S, loop_wait: 2, retry_timeout: 3, maximum_lag_on_failover: 1_048_576 },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `127.0.0.1:${ports.postgres}`,
      connect_address: `127.0.0.1:${ports.postgres}`,
      data_dir: join(folder, name, 'pgdata'),
      bin_dir: postgresBinDir(),
      pgpass: join(folder, name, 'pgpass'),
      authentication: { superuser: login('postgres'), replication: login('replicator') },
      parameters: { unix_socket_directories: '', fsync: 'off', wal_log_hints: 'on' },
      pg_hba: [
        'host all all 127.0.0.1/32 scram-sha-256',
        'host replication all 127.0.0.1/32 scram-sha-256',
      ],
    },
  });
}

/** Patroni 3 knows no newer PostgreSQL than Debian's own. */
function postgresBinDir(): string {
  const versions = [17, 16, 15, 14, 13].map((version) => `/usr/lib/postgresql/${version}/bin`);
  const found = versions.find((dir) => existsSync(join(dir, 'postgres')));
  if (found !== undefined) return found;
  throw new Error('There is no PostgreSQL of the system. Install it: apt-get install postgresql.');
}

async function serverPid(folder: string, name: string): Promise<number> {
  const text = await readFile(join(folder, name, 'pgdata', 'postmaster.pid'), 'utf8');
  return Number(text.split('\n', 1)[0]);
}

/** Starts etcd and two nodes, and waits until one leads and the other follows. */
export async function startPatroni(): Promise<PatroniCluster> {
  const [patroni, patronictl, etcd] = ['patroni', 'patronictl', 'etcd'].map(findProgram) as [
    string,
    string,
    string,
  ];
  const { user } = await findTestBinaries();
  const folder = await makeRunDir();
  const give = async (path: string): Promise<string> => {
    if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid);
    return path;
  };
  const newPort = (): Promise<number> => findFreePort(randomUUID());
  const [etcdPort, peerPort] = [await newPort(), await newPort()];
  const dataDir = await give((await mkdir(join(folder, 'etcd'), { recursive: true })) ?? '');
  const [clients, peers] = [`http://127.0.0.1:${etcdPort}`, `http://127.0.0.1:${peerPort}`];
  const store = new Program(
    [
      etcd,
      '--data-dir',
      dataDir,
      '--listen-client-urls',
      clients,
      '--advertise-client-urls',
      clients,
      '--listen-peer-urls',
      peers,
      '--initial-advertise-peer-urls',
      peers,
      '--initial-cluster',
      `default=${peers}`,
    ],
    user,
  );
  store.start();

  const configs: string[] = [];
  const create = async (name: string) => {
    const ports = { api: await newPort(), postgres: await newPort() };
    await give((await mkdir(join(folder, name), { recursive: true })) ?? '');
    const config = join(folder, name, 'patroni.yml');
    await writeFile(config, configOf(name, folder, ports, etcdPort), { mode: 0o600 });
    configs.push(await give(config));
    const program = new Program([patroni, config], user, { HOME: join(folder, name) });
    program.start();
    return {
      name,
      program,
      api: `http://127.0.0.1:${ports.api}`,
      url: `postgresql://postgres:${PASSWORD}@127.0.0.1:${ports.postgres}/postgres`,
      kill9: async () => {
        const pid = await serverPid(folder, name);
        await program.end('SIGKILL');
        process.kill(pid, 'SIGKILL');
      },
      start: async () => program.start(),
    };
  };
  const nodes: Array<Awaited<ReturnType<typeof create>>> = [];
  // Patroni knows who holds the lock. A server only knows that it does not recover: two may say so, one before its end.
  const findLeader = async (): Promise<PatroniNode | undefined> => {
    for (const node of nodes) {
      const answer = await fetch(`${node.api}/primary`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok === true) return node;
    }
    return undefined;
  };
  const requireLeader = (): Promise<PatroniNode> =>
    waitFor(findLeader, { describe: 'a leader', timeoutMs: 60_000 });
  const stop = async (): Promise<void> => {
    for (const { program } of nodes) await program.end('SIGTERM');
    await store.end('SIGTERM');
    await rm(folder, { recursive: true, force: true });
  };
  const isComplete = async (): Promise<boolean> => {
    const leader = await findLeader();
    if (leader === undefined) return false;
    // Patroni gives its nodes' names to their receivers: the base backup of a node that is still being made streams too.
    const text = `select application_name as name from pg_stat_replication where state = 'streaming'`;
    const names = (await sql(leader.url, text)).map(({ name }) => name);
    return nodes.every((node) => node === leader || names.includes(node.name));
  };
  try {
    nodes.push(await create('node1'));
    await waitFor(findLeader, { describe: 'the first node to lead', timeoutMs: 60_000 });
    nodes.push(await create('node2'));
    await waitFor(isComplete, { describe: 'the second node to follow', timeoutMs: 60_000 });
  } catch (error) {
    const words = [store, ...nodes.map(({ program }) => program)].map(({ lastWords }) => lastWords);
    await stop();
    throw new Error(`Patroni did not start:\n${words.join('\n')}`, { cause: error });
  }
  const switchover = async (to: PatroniNode): Promise<void> => {
    const leader = (await requireLeader()).name;
    const args = [
      '-c',
      configs[0] ?? '',
      'switchover',
      'test',
      '--master',
      leader,
      '--candidate',
      to.name,
      '--force',
    ];
    const program = spawn(patronictl, args, {
      ...user,
      stdio: 'ignore',
      env: { ...process.env, HOME: folder, LANG: 'C.UTF-8' },
    });
    const [code] = (await once(program, 'exit')) as [number];
    if (code !== 0) throw new Error(`patronictl switchover ended with ${code}`);
  };
  return { nodes, requireLeader, switchover, stop };
}
