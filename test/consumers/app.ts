// The same small app for every consumer project: what a user writes on the first day, against the packed library.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule, DatabaseService } from 'nestjs-database';
import { EmbeddedPostgres } from 'nestjs-database/embedded';
import { Column, Entity, PrimaryGeneratedColumn, Repository } from 'typeorm';

@Entity()
class Instrument {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text', { unique: true })
  symbol!: string;
}

@Injectable()
class Instruments {
  constructor(
    readonly db: DatabaseService,
    @InjectRepository(Instrument) readonly repository: Repository<Instrument>,
  ) {}

  /** Adds an instrument in a transaction of the pool; TypeORM's repository joins it by itself. */
  async add(symbol: string, isGood: boolean): Promise<void> {
    await this.db.transaction(async () => {
      await this.repository.save({ symbol });
      assert.ok(isGood, 'rolled back on purpose');
    });
  }

  async symbols(): Promise<string[]> {
    const rows = await this.db.read<{ symbol: string }>(
      'select symbol from instrument order by id',
    );
    return rows.map((row) => row.symbol);
  }
}

function appModule(url: string) {
  @Module({
    imports: [
      DatabaseModule.forRoot({ url, typeorm: { entities: [Instrument], synchronize: true } }),
      TypeOrmModule.forFeature([Instrument]),
    ],
    providers: [Instruments],
  })
  class AppModule {}
  return AppModule;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-database-consumer-'));
  // Run by root, the server is another user, who has to get through.
  await chmod(folder, 0o755);
  const server = await EmbeddedPostgres.start({ dataDir: join(folder, 'data') });
  try {
    const app = await NestFactory.createApplicationContext(appModule(server.url), {
      logger: ['error', 'warn'],
    });
    const instruments = app.get(Instruments);
    const { rows } = await instruments.db.query<{ sum: number }>('select $1::int + 1 as sum', [41]);
    assert.equal(rows[0]?.sum, 42);
    await instruments.add('MSFT', true);
    await assert.rejects(instruments.add('AMZN', false), /rolled back on purpose/);
    assert.deepEqual(await instruments.symbols(), ['MSFT']);
    assert.equal((await instruments.repository.findOneByOrFail({ symbol: 'MSFT' })).id, 1);
    await app.close();
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
  // Nothing calls process.exit: a consumer that hangs here keeps a socket or a timer of ours.
  console.log('consumer: ok');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
