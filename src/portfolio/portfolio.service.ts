// Portfolios by TypeORM's repository; their value by SQL, where entities would need a query per position.
import { randomUUID } from 'node:crypto';
import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { DatabaseService } from 'nestjs-database';
import { Repository } from 'typeorm';
import type { CreatePortfolioDto, PortfolioValueDto } from './portfolio.dto.js';
import { Portfolio } from './portfolio.entity.js';
import { PORTFOLIO_VALUE } from './portfolio.sql.js';

@Injectable()
export class PortfolioService {
  constructor(
    @InjectRepository(Portfolio) private readonly portfolios: Repository<Portfolio>,
    private readonly db: DatabaseService,
  ) {}

  async create({ name, cash }: CreatePortfolioDto): Promise<Portfolio> {
    const id = randomUUID();
    await this.portfolios.insert({ id, name, cash });
    // Read back, so that the answer is what the table holds: `5` became `5.00`.
    return this.portfolios.findOneByOrFail({ id });
  }

  /** The newest ones first. */
  newest(limit: number): Promise<Portfolio[]> {
    return this.portfolios.find({ order: { createdAt: 'DESC', id: 'DESC' }, take: limit });
  }

  /** Asks the primary: the owner of a deal sees it at once. @throws NotFoundException */
  async value(id: string): Promise<PortfolioValueDto> {
    const [value] = await this.db.read<PortfolioValueDto>(PORTFOLIO_VALUE, [id], {
      consistency: 'primary',
    });
    return value ?? unknownPortfolio(id);
  }

  /** @throws NotFoundException */
  async requireExisting(id: string): Promise<void> {
    if (!(await this.portfolios.existsBy({ id }))) unknownPortfolio(id);
  }
}

/** @throws NotFoundException always */
export function unknownPortfolio(id: string): never {
  throw new NotFoundException(`There is no portfolio ${id}`);
}
