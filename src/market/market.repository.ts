// The market's tables by plain SQL through DatabaseService: one of the two ways to use the library (the other: ../portfolio).
import { Injectable } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';
import type { CandleDto, CandlesQuery, InstrumentDto, QuoteDto } from './market.dto.js';
import { CANDLES, INSTRUMENT, INSTRUMENTS, QUOTE_OF_SYMBOL, QUOTES } from './market.sql.js';

/** What is known of an instrument without looking at its prices. */
export type Instrument = Pick<InstrumentDto, 'symbol' | 'name' | 'kind' | 'resolution'>;

/** Everything here only reads, so it uses `read`: a replica may answer, and a lost connection is retried. */
@Injectable()
export class MarketRepository {
  constructor(private readonly db: DatabaseService) {}

  fetchInstruments(): Promise<InstrumentDto[]> {
    return this.db.read<InstrumentDto>(INSTRUMENTS);
  }

  async findInstrument(symbol: string): Promise<Instrument | undefined> {
    return (await this.db.read<Instrument>(INSTRUMENT, [symbol]))[0];
  }

  fetchQuotes(): Promise<QuoteDto[]> {
    return this.db.read<QuoteDto>(QUOTES);
  }

  async findQuote(symbol: string): Promise<QuoteDto | undefined> {
    return (await this.db.read<QuoteDto>(QUOTE_OF_SYMBOL, [symbol]))[0];
  }

  fetchCandles(symbol: string, { interval, from, to, limit }: CandlesQuery): Promise<CandleDto[]> {
    return this.db.read<CandleDto>(CANDLES, [symbol, interval, from ?? null, to ?? null, limit]);
  }
}
