// price.repository.ts
import { Injectable } from '@nestjs/common';
import { DatabaseService } from 'nestjs-database';

@Injectable()
export class PriceRepository {
  constructor(private readonly db: DatabaseService) {}

  set(symbol: string, cents: number) {
    const text = `insert into price (symbol, cents) values ($1, $2)
                  on conflict (symbol) do update set cents = excluded.cents`;
    return this.db.query(text, [symbol, cents], { idempotent: true });
  }
}
