// What the order routes take and give.
import { ApiProperty } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Matches, Max, Min } from 'class-validator';
import { SYMBOL } from '../market/symbol.pipe.js';
import { ApiDecimal } from '../validation/decimal.decorator.js';
import { IsDay } from '../validation/is-day.decorator.js';
import { type Side, SIDES } from './order.entity.js';

const MAX_QUANTITY = 1_000_000;
const MAX_PAGE = 200;

/** An order to be placed. */
export class PlaceOrderDto {
  @ApiProperty({ example: 'MSFT' })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.toUpperCase() : value,
  )
  @Matches(SYMBOL, { message: 'symbol must be 1 to 12 letters, digits or dots' })
  symbol!: string;

  @ApiProperty({ enum: SIDES })
  @IsIn(SIDES)
  side!: Side;

  @ApiProperty({ example: 100, minimum: 1, maximum: MAX_QUANTITY, description: 'Whole shares.' })
  @IsInt()
  @Min(1)
  @Max(MAX_QUANTITY)
  quantity!: number;

  @IsOptional()
  @IsDay({
    required: false,
    example: '2008-09-15',
    description: 'Deal at the last price on or before this day. Default: at the latest price.',
  })
  day?: string;
}

/** A placed order. */
export class OrderDto {
  @ApiProperty({ example: '42' })
  id!: string;

  @ApiProperty({ format: 'uuid' })
  portfolioId!: string;

  @ApiProperty({ example: 'MSFT' })
  symbol!: string;

  @ApiProperty({ enum: SIDES })
  side!: Side;

  @ApiProperty({ example: 100 })
  quantity!: number;

  @ApiDecimal('28.8')
  price!: string;

  @ApiProperty({ format: 'date', example: '2010-03-01' })
  priceDay!: string;

  @ApiDecimal('2880.00', { description: 'Price times quantity, rounded to cents.' })
  amount!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: Date;
}

/** Which orders. */
export class OrdersQuery {
  @ApiProperty({ required: false, default: 50, minimum: 1, maximum: MAX_PAGE })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_PAGE)
  limit: number = 50;

  @ApiProperty({ required: false, example: '42', description: 'Only orders older than this one.' })
  @IsOptional()
  @Matches(/^[1-9]\d{0,17}$/, { message: 'before must be the id of an order' })
  before?: string;
}

/** One page of orders, newest first. */
export class OrderPageDto {
  @ApiProperty({ type: [OrderDto] })
  orders!: OrderDto[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: '`before` of the next page; null on the last one.',
  })
  nextBefore!: string | null;
}
