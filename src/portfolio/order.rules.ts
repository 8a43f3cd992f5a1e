// When an order is refused, and how the refusal reads.
import { ConflictException, UnprocessableEntityException } from '@nestjs/common';
import type { PlaceOrderDto } from './order.dto.js';
import type { Order } from './order.entity.js';

/** Shares of one instrument that a portfolio may hold; keeps quantities within `integer`. */
export const MAX_POSITION = 1_000_000_000;

/** Why a well-formed order is not placed. Part of the answer. */
export type Refusal =
  'NOT_TRADABLE' | 'NO_PRICE' | 'INSUFFICIENT_CASH' | 'INSUFFICIENT_SHARES' | 'POSITION_LIMIT';

/** Ends the order with 422, and with it the transaction it was tried in. @throws UnprocessableEntityException always */
export function refuse(code: Refusal, message: string): never {
  throw new UnprocessableEntityException({
    statusCode: 422,
    error: 'Unprocessable Entity',
    code,
    message,
  });
}

/** A key belongs to one order: the same order again is a repetition, another one is a mistake. @throws ConflictException */
export function requireSameOrder(earlier: Order, wish: PlaceOrderDto): void {
  const isSame =
    earlier.symbol === wish.symbol &&
    earlier.side === wish.side &&
    earlier.quantity === wish.quantity &&
    earlier.requestedDay === (wish.day ?? null);
  if (isSame) return;
  throw new ConflictException({
    statusCode: 409,
    error: 'Conflict',
    code: 'IDEMPOTENCY_KEY_REUSED',
    message: `This Idempotency-Key belongs to order ${earlier.id}, which is another one`,
  });
}
