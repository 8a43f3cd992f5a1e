// A small web application in a process of its own; the suites send it requests and signals. Tells its port by a line of JSON.
import 'reflect-metadata';
import { Controller, Get, Module, Post } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { DatabaseExceptionFilter } from '../../libs/database/src/ops/endpoints/database-exception.filter.js';
import { DatabaseModule } from '../../libs/database/src/database.module.js';
import { DatabaseService } from '../../libs/database/src/database.service.js';
import type { DatabaseModuleOptions } from '../../libs/database/src/database.options.js';

const options = JSON.parse(process.argv[2] ?? '{}') as DatabaseModuleOptions;

@Controller()
class ShopController {
  constructor(private readonly db: DatabaseService) {}

  @Get('quick')
  quick(): Promise<unknown> {
    return this.db.one('select 1 as one');
  }

  @Get('slow')
  slow(): Promise<unknown> {
    return this.db.one('select 1 as one from pg_sleep(0.3)');
  }

  /** One sale, and its number; acknowledged only when it is stored. */
  @Post('sale')
  sale(): Promise<unknown> {
    return this.db.transaction(async (tx) => {
      const { rows } = await tx.query('insert into sale default values returning id');
      await tx.query('select pg_sleep(0.02)');
      return rows[0];
    });
  }
}

@Module({
  imports: [DatabaseModule.forRoot(options)],
  controllers: [ShopController],
  providers: [{ provide: APP_FILTER, useClass: DatabaseExceptionFilter }],
})
class ShopModule {}

const app = await NestFactory.create(ShopModule, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
const { port } = new URL(await app.getUrl());
process.stdout.write(`${JSON.stringify({ port: Number(port) })}\n`);
