// A TypeORM data source on our pool: it joins db.transaction(), and may exist before its database does.
import { DataSource, EntityManager } from 'typeorm';
import type { Migration, QueryRunner } from 'typeorm';
import type { Ambient } from '../../transaction/ambient.js';
import type { PgPool } from '../pg-pool.js';
import type { SetupGate } from './setup-gate.js';

/** What a data source runs on. */
export interface DataSourceParts {
  readonly primary: PgPool;
  /** For SELECTs outside of transactions; undefined sends them to the primary. */
  readonly replica: PgPool | undefined;
  readonly gate: SetupGate;
  readonly ambient: Ambient;
}

/** Told to TypeORM as the host of the replicas; our pool knows the real ones. */
const REPLICA = 'replica';

/** Methods of a manager that may begin a transaction of their own. */
const BEGINNING = ['transaction', 'save', 'remove', 'softRemove', 'recover'] as const;

type Method = (...args: unknown[]) => Promise<unknown>;

/** TypeORM 1 and TypeORM 0.3 have different names for it. */
interface Managed {
  readonly dataSource?: PooledDataSource;
  readonly connection?: PooledDataSource;
}

/** Without `native`, which TypeORM would prefer. */
function driverOn({ primary, replica }: DataSourceParts): object {
  return {
    Pool: class {
      constructor(options: { readonly host?: string }) {
        const pool = options.host === REPLICA && replica !== undefined ? replica : primary;
        // TypeORM adds a listener at each attempt to start.
        pool.removeAllListeners('error');
        return pool;
      }
    },
  };
}

/** The part of TypeORM's driver that takes connections out of its pools; without pools while it is not connected. */
interface Borrowing {
  readonly master?: PgPool;
  readonly slaves?: readonly PgPool[];
  obtainMasterConnection(): ReturnType<PgPool['lend']>;
  obtainSlaveConnection(): ReturnType<PgPool['lend']>;
}

/**
 * TypeORM takes a connection for each query, by a callback inside of two promises: 7 % of what a short query costs it.
 * It is told of a driver without pools as ever.
 */
function lendAtOnce(driver: Borrowing): void {
  const master = driver.obtainMasterConnection.bind(driver);
  const slave = driver.obtainSlaveConnection.bind(driver);
  Object.assign(driver, {
    obtainMasterConnection: () => driver.master?.lend() ?? master(),
    obtainSlaveConnection: () => driver.slaves?.[0]?.lend() ?? slave(),
  });
}

/**
 * A manager whose transactions inside db.transaction() are savepoints, which code called in them joins. One is made for
 * each query: nothing is bound to it, nor is its prototype changed, which made every access to it slower.
 */
class JoiningManager extends EntityManager {}

for (const name of BEGINNING) {
  const method = Reflect.get(EntityManager.prototype, name) as Method;
  const value = function (this: Managed, ...args: unknown[]): Promise<unknown> {
    const { ambient } = (this.dataSource ?? this.connection) as PooledDataSource;
    return ambient.follow(() => method.apply(this, args));
  };
  Object.defineProperty(JoiningManager.prototype, name, {
    value,
    configurable: true,
    writable: true,
  });
}

/** As {@link DataSource}; its options hold nothing of connections. */
export class PooledDataSource extends DataSource {
  private isBuilt = false;
  private wasReady = false;
  private becomingReady: Promise<this> | undefined;

  constructor(
    options: object,
    private readonly parts: DataSourceParts,
  ) {
    super({
      ...options,
      type: 'postgres',
      driver: driverOn(parts),
      ...(parts.replica === undefined
        ? {}
        : { replication: { master: {}, slaves: [{ host: REPLICA }] } }),
    });
    lendAtOnce(this.driver);
    this.connectPools();
  }

  /** @internal Whose transactions the managers join. */
  get ambient(): Ambient {
    return this.parts.ambient;
  }

  /**
   * Builds the metadata of the entities, which needs no database: repositories made now are whole, and fail with
   * our ConnectionError until there is one.
   */
  async prepare(): Promise<void> {
    await this.buildMetadatas();
  }

  /** Calls share one promise. */
  override initialize(): Promise<this> {
    this.becomingReady ??= this.becomeReady().finally(() => (this.becomingReady = undefined));
    return this.becomingReady;
  }

  override synchronize(dropBeforeSync?: boolean): Promise<void> {
    return this.parts.gate.run(() => super.synchronize(dropBeforeSync));
  }

  override dropDatabase(): Promise<void> {
    return this.parts.gate.run(() => super.dropDatabase());
  }

  override runMigrations(
    options?: Parameters<DataSource['runMigrations']>[0],
  ): Promise<Migration[]> {
    return this.parts.gate.run(() => super.runMigrations(options));
  }

  override undoLastMigration(
    options?: Parameters<DataSource['undoLastMigration']>[0],
  ): Promise<void> {
    return this.parts.gate.run(() => super.undoLastMigration(options));
  }

  override createEntityManager(queryRunner?: QueryRunner): EntityManager {
    return new JoiningManager(this, queryRunner);
  }

  /** Once is enough: subscribers that were injected meanwhile would be thrown away. */
  protected override async buildMetadatas(): Promise<void> {
    if (this.isBuilt && !this.wasReady) return;
    await super.buildMetadatas();
    this.isBuilt = true;
  }

  private async becomeReady(): Promise<this> {
    const { gate } = this.parts;
    try {
      await gate.run(() => super.initialize());
    } catch (error) {
      gate.failed(error);
      // TypeORM has let go of its pools.
      this.connectPools();
      throw error;
    }
    this.wasReady = true;
    gate.open();
    return this;
  }

  private connectPools(): void {
    const { primary, replica } = this.parts;
    const slaves = replica === undefined ? [] : [replica];
    Object.assign(this.driver, { master: primary, slaves });
  }
}
