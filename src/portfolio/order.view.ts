// What of an order is shown.
import type { OrderDto } from './order.dto.js';
import type { Order } from './order.entity.js';

/** The order without the key of the client that placed it. */
export function orderView(order: Order): OrderDto {
  const { id, portfolioId, symbol, side, quantity, price, priceDay, amount, createdAt } = order;
  return { id, portfolioId, symbol, side, quantity, price, priceDay, amount, createdAt };
}
