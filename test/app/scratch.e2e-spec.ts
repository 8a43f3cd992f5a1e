import { it, expect } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { DatabaseModule } from 'nestjs-database';
import { useTestDatabase } from '../support/postgres.js';
import { SetupModule } from '../../src/setup/setup.module.js';
import { MarketModule } from '../../src/market/market.module.js';
import { MarketService } from '../../src/market/market.service.js';
const database = useTestDatabase('scratch');
it('works', async () => {
  const m = await Test.createTestingModule({ imports: [DatabaseModule.forRoot({ url: database.url }), SetupModule, MarketModule] }).compile();
  const app = m.createNestApplication();
  await app.init();
  const market = app.get(MarketService);
  console.log(await market.instruments(), await market.quotes(), await market.quote('MSFT'));
  console.log(await market.candles('SP500', { interval: 'week', from: '2008-09-10', to: '2008-09-20', limit: 5 }), await market.candles('GOOG', { interval: 'month', limit: 2 }));
  await app.close();
});
