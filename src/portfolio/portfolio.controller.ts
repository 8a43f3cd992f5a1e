// /portfolios: open one, list them, value one.
import { Body, Controller, Get, Param, ParseUUIDPipe, Post, Query } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiCreatedResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import {
  CreatePortfolioDto,
  PortfolioDto,
  PortfoliosQuery,
  PortfolioValueDto,
} from './portfolio.dto.js';
import { PortfolioService } from './portfolio.service.js';

@ApiTags('portfolios')
@Controller('portfolios')
export class PortfolioController {
  constructor(private readonly portfolios: PortfolioService) {}

  @Post()
  @ApiOperation({ summary: 'Open a portfolio' })
  @ApiCreatedResponse({ type: PortfolioDto })
  @ApiBadRequestResponse({ description: 'The body is malformed.' })
  create(@Body() wish: CreatePortfolioDto): Promise<PortfolioDto> {
    return this.portfolios.create(wish);
  }

  @Get()
  @ApiOperation({ summary: 'The newest portfolios' })
  @ApiOkResponse({ type: [PortfolioDto] })
  newest(@Query() { limit }: PortfoliosQuery): Promise<PortfolioDto[]> {
    return this.portfolios.newest(limit);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Cash, positions and value of a portfolio' })
  @ApiOkResponse({ type: PortfolioValueDto })
  @ApiNotFoundResponse({ description: 'There is no such portfolio.' })
  value(@Param('id', ParseUUIDPipe) id: string): Promise<PortfolioValueDto> {
    return this.portfolios.value(id);
  }
}
