// Portfolios and orders: entities and SQL side by side, in the same transactions.
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MarketModule } from '../market/market.module.js';
import { OrderController } from './order.controller.js';
import { Order } from './order.entity.js';
import { OrderService } from './order.service.js';
import { PortfolioController } from './portfolio.controller.js';
import { Portfolio } from './portfolio.entity.js';
import { PortfolioService } from './portfolio.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Portfolio, Order]), MarketModule],
  controllers: [PortfolioController, OrderController],
  providers: [PortfolioService, OrderService],
})
export class PortfolioModule {}
