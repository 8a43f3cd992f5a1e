// Quotes and candles.
import { Module } from '@nestjs/common';
import { MarketController } from './market.controller.js';
import { MarketRepository } from './market.repository.js';
import { MarketService } from './market.service.js';

@Module({
  controllers: [MarketController],
  providers: [MarketService, MarketRepository],
  exports: [MarketService],
})
export class MarketModule {}
