// The app as a whole: the database, two features, a health page.
import { type MiddlewareConsumer, Module, type NestModule, ValidationPipe } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { DatabaseExceptionFilter, DatabaseModule, databaseOptionsFromEnv } from 'nestjs-database';
import { LastAnswerMiddleware } from './config/last-answer.middleware.js';
import { MarketModule } from './market/market.module.js';
import { PortfolioModule } from './portfolio/portfolio.module.js';
import { SetupModule } from './setup/setup.module.js';
import { StatusModule } from './status/status.module.js';

@Module({
  imports: [
    // Without DATABASE_URL, in development, this starts the embedded PostgreSQL. Entities come by forFeature().
    DatabaseModule.forRootAsync({
      typeorm: true,
      useFactory: () => ({
        ...databaseOptionsFromEnv(),
        applicationName: 'market-data',
        typeorm: {},
      }),
    }),
    SetupModule,
    MarketModule,
    PortfolioModule,
    StatusModule,
  ],
  providers: [
    {
      provide: APP_PIPE,
      useValue: new ValidationPipe({
        whitelist: true,
        forbidNonWhitelisted: true,
        transform: true,
      }),
    },
    { provide: APP_FILTER, useClass: DatabaseExceptionFilter },
  ],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(LastAnswerMiddleware).forRoutes('{*path}');
  }
}
