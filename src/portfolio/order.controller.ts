// /portfolios/:id/orders: place one, list them.
import {
  Body,
  Controller,
  Get,
  HttpStatus,
  Param,
  ParseUUIDPipe,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiHeader,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  ApiUnprocessableEntityResponse,
} from '@nestjs/swagger';
import { IDEMPOTENCY_KEY, IdempotencyKey } from './idempotency-key.decorator.js';
import { OrderDto, OrderPageDto, OrdersQuery, PlaceOrderDto } from './order.dto.js';
import { OrderService } from './order.service.js';
import { orderView } from './order.view.js';

/** What Express and Fastify answers have in common. */
interface Answer {
  status(code: number): unknown;
}

@ApiTags('orders')
@Controller('portfolios/:id/orders')
export class OrderController {
  constructor(private readonly orders: OrderService) {}

  @Post()
  @ApiOperation({ summary: 'Buy or sell at the latest price, or at that of a day' })
  @ApiHeader({
    name: IDEMPOTENCY_KEY,
    required: true,
    description: 'New for each order, such as a UUID.',
  })
  @ApiCreatedResponse({ type: OrderDto })
  @ApiOkResponse({
    type: OrderDto,
    description: 'The order was placed by an earlier request with this key.',
  })
  @ApiBadRequestResponse({ description: 'The body or the key is malformed.' })
  @ApiNotFoundResponse({ description: 'There is no such portfolio or symbol.' })
  @ApiConflictResponse({ description: 'The key belongs to another order.' })
  @ApiUnprocessableEntityResponse({
    description: 'Too little cash, too few shares, no price, or an index.',
  })
  async place(
    @Param('id', ParseUUIDPipe) id: string,
    @IdempotencyKey() key: string,
    @Body() wish: PlaceOrderDto,
    @Res({ passthrough: true }) answer: Answer,
  ): Promise<OrderDto> {
    const { order, isReplay } = await this.orders.place(id, key, wish);
    answer.status(isReplay ? HttpStatus.OK : HttpStatus.CREATED);
    return orderView(order);
  }

  @Get()
  @ApiOperation({ summary: 'Orders of a portfolio, newest first, in pages' })
  @ApiOkResponse({ type: OrderPageDto })
  @ApiNotFoundResponse({ description: 'There is no such portfolio.' })
  async page(
    @Param('id', ParseUUIDPipe) id: string,
    @Query() query: OrdersQuery,
  ): Promise<OrderPageDto> {
    const { orders, nextBefore } = await this.orders.page(id, query);
    return { orders: orders.map(orderView), nextBefore };
  }
}
