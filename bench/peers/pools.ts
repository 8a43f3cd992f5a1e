// The pools of one workload: opened when the first peer asks for them, shared by those who stand on them, closed together.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import postgres from 'postgres';
import { DataSource } from 'typeorm';
import { DatabaseModule } from '../../libs/database/src/database.module.js';
import { DatabasePoolService } from '../../libs/database/src/database.pool.service.js';
import { DatabaseService } from '../../libs/database/src/database.service.js';
import { within } from '../measure.js';
import { ENTITIES } from '../schema.js';

/** Longest wait for one pool to close, in ms. */
const CLOSE_MS = 15_000;

/** Which server, and with how many connections. */
export interface PoolTarget {
  readonly url: string;
  readonly connections: number;
  /** Whether the library's data source of TypeORM is wanted too. @default false */
  readonly typeorm?: boolean;
}

/** The library in a Nest application, as an application has it. */
export interface Ours {
  readonly db: DatabaseService;
  readonly pools: DatabasePoolService;
  /** @throws unless it was wanted */
  dataSource(): DataSource;
  close(): Promise<void>;
}

/** The others have no limits at all; on a machine that is busy with other work, ours are not to be what is measured. */
const LIMITS = { acquireTimeoutMs: 30_000, connectTimeoutMs: 15_000, statementTimeoutMs: 30_000 };

/** Starts the library, with its defaults but for the limits of time; whoever opens it closes it. */
export async function openOurs({ url, connections, typeorm = false }: PoolTarget): Promise<Ours> {
  const options = {
    url,
    pool: { max: connections, min: connections, ...LIMITS },
    ...(typeorm && { typeorm: { entities: ENTITIES } }),
  };
  const app = await NestFactory.createApplicationContext(DatabaseModule.forRoot(options), {
    logger: false,
    abortOnError: false,
  });
  return {
    db: app.get(DatabaseService),
    pools: app.get(DatabasePoolService),
    dataSource: () => app.get(DataSource, { strict: false }),
    close: () => app.close(),
  };
}

/** A plain pool of `pg`; whoever opens it ends it. */
export function openPgPool({ url, connections }: PoolTarget): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: connections, min: connections });
  // Without a listener, the loss of an idle client ends the process.
  pool.on('error', () => undefined);
  return pool;
}

/** postgres.js, without its notices; whoever opens it ends it. */
export function openPostgresJs({ url, connections }: PoolTarget): postgres.Sql {
  return postgres(url, { max: connections, onnotice: () => undefined });
}

/** What the peers of one workload stand on. */
export class Pools {
  private readonly closers: Array<() => Promise<unknown>> = [];
  private sharedPg: pg.Pool | undefined;
  private sharedOurs: Promise<Ours> | undefined;

  constructor(readonly target: PoolTarget) {}

  /** The one pool of `pg`. */
  pg(): pg.Pool {
    if (this.sharedPg === undefined) {
      const pool = openPgPool(this.target);
      this.sharedPg = pool;
      this.onClose(() => pool.end());
    }
    return this.sharedPg;
  }

  /** The one instance of the library. */
  ours(): Promise<Ours> {
    this.sharedOurs ??= openOurs(this.target).then((ours) => {
      this.onClose(() => ours.close());
      return ours;
    });
    return this.sharedOurs;
  }

  /** What has to be closed with the others. */
  onClose(close: () => Promise<unknown>): void {
    this.closers.push(close);
  }

  /** Closes everything, the last opened first; what does not close in time is named and left. */
  async close(): Promise<void> {
    const problems: unknown[] = [];
    for (const close of this.closers.splice(0).toReversed()) {
      await within(close(), CLOSE_MS, 'the close of a pool').catch((error: unknown) =>
        problems.push(error),
      );
    }
    if (problems.length > 0) throw new AggregateError(problems, String(problems[0]));
  }
}
