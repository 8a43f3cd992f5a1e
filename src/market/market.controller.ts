// GET /market/...: instruments, quotes, candles.
import { Controller, Get, Param, Query } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
  ApiUnprocessableEntityResponse,
} from '@nestjs/swagger';
import { CandlePageDto, CandlesQuery, InstrumentDto, QuoteDto } from './market.dto.js';
import { MarketService } from './market.service.js';
import { SymbolPipe } from './symbol.pipe.js';

@ApiTags('market')
@Controller('market')
export class MarketController {
  constructor(private readonly market: MarketService) {}

  @Get('instruments')
  @ApiOperation({ summary: 'All instruments and the span of their prices' })
  @ApiOkResponse({ type: [InstrumentDto] })
  instruments(): Promise<InstrumentDto[]> {
    return this.market.instruments();
  }

  @Get('quotes')
  @ApiOperation({ summary: 'The latest price of every instrument' })
  @ApiOkResponse({ type: [QuoteDto] })
  quotes(): Promise<QuoteDto[]> {
    return this.market.quotes();
  }

  @Get('quotes/:symbol')
  @ApiOperation({ summary: 'The latest price of one instrument' })
  @ApiParam({ name: 'symbol', example: 'MSFT' })
  @ApiOkResponse({ type: QuoteDto })
  @ApiNotFoundResponse({ description: 'No prices are known of the symbol.' })
  quote(@Param('symbol', SymbolPipe) symbol: string): Promise<QuoteDto> {
    return this.market.quote(symbol);
  }

  @Get('candles/:symbol')
  @ApiOperation({ summary: 'Candles by day, week or month, oldest first, in pages' })
  @ApiParam({ name: 'symbol', example: 'SP500' })
  @ApiOkResponse({ type: CandlePageDto })
  @ApiBadRequestResponse({ description: 'A parameter is malformed.' })
  @ApiNotFoundResponse({ description: 'No prices are known of the symbol.' })
  @ApiUnprocessableEntityResponse({ description: 'The range is empty, or finer than the prices.' })
  candles(
    @Param('symbol', SymbolPipe) symbol: string,
    @Query() query: CandlesQuery,
  ): Promise<CandlePageDto> {
    return this.market.candles(symbol, query);
  }
}
