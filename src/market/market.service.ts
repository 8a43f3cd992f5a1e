// The market's rules: which symbols exist, which candles make sense, where a page ends.
import { Injectable, NotFoundException, UnprocessableEntityException } from '@nestjs/common';
import type { CandlePageDto, CandlesQuery, InstrumentDto, QuoteDto } from './market.dto.js';
import { type Instrument, MarketRepository } from './market.repository.js';

@Injectable()
export class MarketService {
  constructor(private readonly repository: MarketRepository) {}

  instruments(): Promise<InstrumentDto[]> {
    return this.repository.fetchInstruments();
  }

  quotes(): Promise<QuoteDto[]> {
    return this.repository.fetchQuotes();
  }

  /** @throws NotFoundException */
  async quote(symbol: string): Promise<QuoteDto> {
    return (await this.repository.findQuote(symbol)) ?? unknownSymbol(symbol);
  }

  /** @throws NotFoundException */
  async requireInstrument(symbol: string): Promise<Instrument> {
    return (await this.repository.findInstrument(symbol)) ?? unknownSymbol(symbol);
  }

  /** One page, oldest first. @throws NotFoundException, UnprocessableEntityException */
  async candles(symbol: string, query: CandlesQuery): Promise<CandlePageDto> {
    const { interval, from, to, limit } = query;
    if (from !== undefined && to !== undefined && from > to) {
      throw new UnprocessableEntityException(`from (${from}) is after to (${to})`);
    }
    const { resolution } = await this.requireInstrument(symbol);
    if (resolution === 'month' && interval !== 'month') {
      throw new UnprocessableEntityException(
        `${symbol} has one price a month: ask for interval=month`,
      );
    }
    // One more than asked for tells whether, and where, there is a next page.
    const found = await this.repository.fetchCandles(symbol, { ...query, limit: limit + 1 });
    const candles = found.slice(0, limit);
    return { symbol, interval, candles, nextFrom: found[limit]?.start ?? null };
  }
}

function unknownSymbol(symbol: string): never {
  throw new NotFoundException(`No prices are known of ${symbol}: see /market/instruments`);
}
