// What the market routes take and give. Prices are decimal strings.
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { ApiDecimal } from '../validation/decimal.decorator.js';
import { IsDay } from '../validation/is-day.decorator.js';

/** Spans of a candle. */
const INTERVALS = ['day', 'week', 'month'] as const;
export type Interval = (typeof INTERVALS)[number];

const MAX_CANDLES = 1_000;

/** An instrument that prices are known of. */
export class InstrumentDto {
  @ApiProperty({ example: 'MSFT' })
  symbol!: string;

  @ApiProperty({ example: 'Microsoft' })
  name!: string;

  @ApiProperty({
    enum: ['index', 'stock'],
    description: 'An index has prices, but cannot be bought.',
  })
  kind!: 'index' | 'stock';

  @ApiProperty({ enum: ['day', 'month'], description: 'Spacing of its prices.' })
  resolution!: 'day' | 'month';

  @ApiProperty({ format: 'date', example: '2000-01-01' })
  firstDay!: string;

  @ApiProperty({ format: 'date', example: '2010-03-01' })
  lastDay!: string;

  @ApiProperty({ example: 123, description: 'Number of its prices.' })
  prices!: number;
}

/** The latest price of an instrument. */
export class QuoteDto {
  @ApiProperty({ example: 'MSFT' })
  symbol!: string;

  @ApiProperty({ example: 'Microsoft' })
  name!: string;

  @ApiDecimal('28.8')
  price!: string;

  @ApiProperty({ format: 'date', example: '2010-03-01' })
  day!: string;

  @ApiDecimal('0.13', {
    type: String,
    nullable: true,
    description: 'Since the price before; null when it is the first.',
  })
  change!: string | null;

  @ApiDecimal('0.45', { type: String, nullable: true })
  changePercent!: string | null;
}

/** Which candles. */
export class CandlesQuery {
  @ApiProperty({
    enum: INTERVALS,
    required: false,
    default: 'month',
    description: 'Weeks begin on Monday.',
  })
  @IsOptional()
  @IsIn(INTERVALS)
  interval: Interval = 'month';

  @IsOptional()
  @IsDay({
    required: false,
    example: '2008-01-01',
    description: 'The candle with this day is the first.',
  })
  from?: string;

  @IsOptional()
  @IsDay({
    required: false,
    example: '2009-12-31',
    description: 'The candle with this day is the last.',
  })
  to?: string;

  @ApiProperty({ required: false, default: 100, minimum: 1, maximum: MAX_CANDLES })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_CANDLES)
  limit: number = 100;
}

/** The prices of one span. */
export class CandleDto {
  @ApiProperty({ format: 'date', example: '2008-09-01', description: 'First day of the span.' })
  start!: string;

  @ApiDecimal('1287.829956')
  open!: string;

  @ApiDecimal('1303.040039')
  high!: string;

  @ApiDecimal('1106.390015')
  low!: string;

  @ApiDecimal('1166.359985')
  close!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: '129512520000',
    description: 'Null where the source has none.',
  })
  volume!: string | null;

  @ApiProperty({ example: 21, description: 'Number of prices it was made of.' })
  prices!: number;
}

/** One page of candles, oldest first. */
export class CandlePageDto {
  @ApiProperty({ example: 'SP500' })
  symbol!: string;

  @ApiProperty({ enum: INTERVALS })
  interval!: Interval;

  @ApiProperty({ type: [CandleDto] })
  candles!: CandleDto[];

  @ApiProperty({
    type: String,
    nullable: true,
    format: 'date',
    description: '`from` of the next page; null on the last one.',
  })
  nextFrom!: string | null;
}
