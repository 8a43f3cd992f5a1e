// What the portfolio routes take and give. Money and prices are decimal strings.
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { ApiDecimal } from '../validation/decimal.decorator.js';

const MAX_PAGE = 200;

/** A new portfolio. */
export class CreatePortfolioDto {
  @ApiProperty({ example: 'Retirement', minLength: 1, maxLength: 100 })
  @IsString()
  @Length(1, 100)
  name!: string;

  @ApiDecimal('100000.00', { required: false, default: '100000.00' })
  @IsOptional()
  @Matches(/^\d{1,12}(\.\d{1,2})?$/, {
    message:
      'cash must be a decimal string like "2500.50", with at most 12 digits before the point',
  })
  cash: string = '100000.00';
}

/** Which portfolios. */
export class PortfoliosQuery {
  @ApiProperty({ required: false, default: 20, minimum: 1, maximum: MAX_PAGE })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_PAGE)
  limit: number = 20;
}

/** A portfolio without its positions. */
export class PortfolioDto {
  @ApiProperty({ format: 'uuid', example: '0b9c2a4e-8f53-4d2a-9b0e-1f6f3f3c7a10' })
  id!: string;

  @ApiProperty({ example: 'Retirement' })
  name!: string;

  @ApiDecimal('97120.00')
  cash!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: Date;
}

/** The shares of one instrument in a portfolio. */
export class PositionDto {
  @ApiProperty({ example: 'MSFT' })
  symbol!: string;

  @ApiProperty({ example: 100, description: 'Whole shares.' })
  quantity!: number;

  @ApiDecimal('28.8', { description: 'Latest price.' })
  price!: string;

  @ApiProperty({ format: 'date', example: '2010-03-01' })
  priceDay!: string;

  @ApiDecimal('2880.00')
  value!: string;
}

/** A portfolio with its positions at their latest prices. */
export class PortfolioValueDto extends PortfolioDto {
  @ApiProperty({ type: [PositionDto] })
  positions!: PositionDto[];

  @ApiDecimal('100000.00', { description: 'Cash and positions.' })
  total!: string;
}
