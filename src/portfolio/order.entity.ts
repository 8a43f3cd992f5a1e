// A placed order as TypeORM sees it. Orders are never changed.
import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

export const SIDES = ['buy', 'sell'] as const;
export type Side = (typeof SIDES)[number];

@Entity('orders')
export class Order {
  /** Counts up, so it is also the order of placing and the cursor of a page. */
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column('uuid', { name: 'portfolio_id' })
  portfolioId!: string;

  /** Unique in the portfolio. */
  @Column('text', { name: 'idempotency_key' })
  idempotencyKey!: string;

  @Column('text')
  symbol!: string;

  @Column('text')
  side!: Side;

  /** Whole shares. */
  @Column('integer')
  quantity!: number;

  /** The day that was asked for; null means the latest price. */
  @Column('date', { name: 'requested_day', nullable: true })
  requestedDay!: string | null;

  @Column('numeric')
  price!: string;

  /** The day of the price. */
  @Column('date', { name: 'price_day' })
  priceDay!: string;

  /** Price times quantity, rounded to cents. */
  @Column('numeric', { precision: 20, scale: 2 })
  amount!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
