// Placing an order: one transaction, in which SQL moves cash and shares and a TypeORM repository keeps the order.
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { DatabaseService } from 'nestjs-database';
import { LessThan, Repository } from 'typeorm';
import { MarketService } from '../market/market.service.js';
import type { OrdersQuery, PlaceOrderDto } from './order.dto.js';
import { Order } from './order.entity.js';
import { MAX_POSITION, refuse, requireSameOrder } from './order.rules.js';
import { PortfolioService, unknownPortfolio } from './portfolio.service.js';
import {
  GIVE_CASH,
  GIVE_SHARES,
  LOCK_PORTFOLIO,
  PRICE_DEAL,
  TAKE_CASH,
  TAKE_SHARES,
} from './portfolio.sql.js';

/** An order, and whether this call placed it or an earlier one with the same key. */
export interface Placement {
  readonly order: Order;
  readonly isReplay: boolean;
}

/** Some orders, newest first. */
export interface OrderPage {
  readonly orders: readonly Order[];
  /** `before` of the next page; null on the last one. */
  readonly nextBefore: string | null;
}

interface Deal {
  readonly price: string;
  readonly day: string;
  readonly amount: string;
}

@Injectable()
export class OrderService {
  constructor(
    private readonly db: DatabaseService,
    @InjectRepository(Order) private readonly orders: Repository<Order>,
    private readonly market: MarketService,
    private readonly portfolios: PortfolioService,
  ) {}

  /**
   * Places the order, or gives the one that was placed with this key before. Calls for one portfolio run one after
   * the other behind a row lock, so cash and shares are never spent twice, however many come at once.
   * @throws NotFoundException, UnprocessableEntityException, ConflictException; then nothing has changed
   */
  async place(portfolioId: string, key: string, wish: PlaceOrderDto): Promise<Placement> {
    const instrument = await this.market.requireInstrument(wish.symbol);
    if (instrument.kind === 'index') {
      refuse('NOT_TRADABLE', `${wish.symbol} is an index: it has prices, but cannot be bought`);
    }
    return this.db.transaction(async () => {
      await this.lockPortfolio(portfolioId);
      const earlier = await this.orders.findOneBy({ portfolioId, idempotencyKey: key });
      if (earlier !== null) {
        requireSameOrder(earlier, wish);
        return { order: earlier, isReplay: true };
      }
      const deal = await this.priceDeal(wish);
      if (wish.side === 'buy') await this.buy(portfolioId, wish, deal);
      else await this.sell(portfolioId, wish, deal);
      return { order: await this.keep(portfolioId, key, wish, deal), isReplay: false };
    });
  }

  /** Newest first. @throws NotFoundException */
  async page(portfolioId: string, { limit, before }: OrdersQuery): Promise<OrderPage> {
    await this.portfolios.requireExisting(portfolioId);
    const found = await this.orders.find({
      where: { portfolioId, ...(before !== undefined && { id: LessThan(before) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    const orders = found.slice(0, limit);
    return { orders, nextBefore: found.length > limit ? (orders.at(-1)?.id ?? null) : null };
  }

  private async lockPortfolio(id: string): Promise<void> {
    const { rowCount } = await this.db.query(LOCK_PORTFOLIO, [id]);
    if (rowCount === 0) unknownPortfolio(id);
  }

  private async priceDeal({ symbol, day, quantity }: PlaceOrderDto): Promise<Deal> {
    const { rows } = await this.db.query<Deal>(PRICE_DEAL, [symbol, day ?? null, quantity]);
    return rows[0] ?? refuse('NO_PRICE', `${symbol} has no price on or before ${day}`);
  }

  private async buy(id: string, { symbol, quantity }: PlaceOrderDto, deal: Deal): Promise<void> {
    const paid = await this.db.query(TAKE_CASH, [id, deal.amount]);
    if (paid.rowCount === 0) {
      refuse('INSUFFICIENT_CASH', `${quantity} ${symbol} cost ${deal.amount}: more than the cash`);
    }
    const given = await this.db.query(GIVE_SHARES, [id, symbol, quantity, MAX_POSITION]);
    if (given.rowCount === 0) {
      refuse(
        'POSITION_LIMIT',
        `A portfolio holds at most ${MAX_POSITION} shares of one instrument`,
      );
    }
  }

  private async sell(id: string, { symbol, quantity }: PlaceOrderDto, deal: Deal): Promise<void> {
    const taken = await this.db.query(TAKE_SHARES, [id, symbol, quantity]);
    if (taken.rowCount === 0) {
      refuse('INSUFFICIENT_SHARES', `The portfolio holds fewer than ${quantity} ${symbol}`);
    }
    await this.db.query(GIVE_CASH, [id, deal.amount]);
  }

  private keep(
    portfolioId: string,
    idempotencyKey: string,
    { symbol, side, quantity, day }: PlaceOrderDto,
    { price, day: priceDay, amount }: Deal,
  ): Promise<Order> {
    const order = { portfolioId, idempotencyKey, symbol, side, quantity };
    return this.orders.save({ ...order, requestedDay: day ?? null, price, priceDay, amount });
  }
}
