// @Transactional(): methods of providers and controllers as transactions.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Post, SetMetadata } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DatabaseModule,
  DatabasePoolService,
  DatabaseService,
  InjectDatabase,
  SerializationError,
  Transactional,
  UsageError,
} from 'nestjs-database';
import { failure } from '../support/failure.js';
import { useLeakCheck } from '../support/leak-check.js';
import { useTestDatabase } from '../support/postgres.js';

const database = useTestDatabase('transactional');
const other = useTestDatabase('transactional_other');

@Injectable()
class Ledger {
  runs = 0;

  constructor(
    private readonly db: DatabaseService,
    @InjectDatabase('other') private readonly elsewhere: DatabaseService,
  ) {}

  insert(n: number) {
    return this.db.query('insert into entry values ($1)', [n]);
  }

  @Transactional()
  async insertAll(numbers: readonly number[]): Promise<number> {
    this.runs++;
    for (const n of numbers) await this.insert(n);
    if (numbers.includes(13)) throw new Error('unlucky');
    return numbers.length;
  }

  @Transactional()
  async outer(): Promise<void> {
    await this.insert(1);
    await this.nested().catch(() => undefined);
    await this.insertAll([2]);
  }

  @Transactional({ propagation: 'nested' })
  private async nested(): Promise<void> {
    await this.insert(99);
    throw new Error('only this part');
  }

  @Transactional({ propagation: 'mandatory' })
  mandatory() {
    return this.insert(7);
  }

  @Transactional({ isolation: 'serializable', retries: 2 })
  async contended(): Promise<number> {
    if (++this.runs < 3) throw new SerializationError('again', { sqlState: '40001' });
    await this.insert(this.runs);
    return this.runs;
  }

  @Transactional({ instance: 'other' })
  async onOther(): Promise<void> {
    await this.elsewhere.query('insert into entry values (1)');
    await this.insert(1);
    throw new Error('unwanted');
  }

  @SetMetadata('kept', 'yes')
  @Transactional()
  synchronous(): string {
    return 'plain';
  }
}

@Controller('ledger')
class LedgerController {
  constructor(private readonly ledger: Ledger) {}

  @Transactional()
  @Post()
  async post(): Promise<{ stored: number }> {
    return { stored: await this.ledger.insertAll([4, 5]) };
  }
}

let app: INestApplication;
let ledger: Ledger;

beforeAll(async () => {
  for (const { sql } of [database, other]) await sql('create table entry (n int)');
  const testing = await Test.createTestingModule({
    imports: [
      DatabaseModule.forRoot({ url: database.url, pool: { max: 3, min: 0 } }),
      DatabaseModule.forRoot({ name: 'other', url: other.url, pool: { max: 2, min: 0 } }),
    ],
    controllers: [LedgerController],
    providers: [Ledger],
  }).compile();
  app = testing.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  ledger = app.get(Ledger);
});
afterAll(() => app.close());
beforeEach(async () => {
  ledger.runs = 0;
  for (const { sql } of [database, other]) await sql('truncate entry');
});
useLeakCheck({ pools: () => app.get(DatabasePoolService).stats(), handles: false });

const stored = async (from = database): Promise<number[]> =>
  (await from.sql<{ n: number }>('select n from entry order by n')).map(({ n }) => n);

describe('@Transactional()', () => {
  it('commits what the method did, and gives its result', async () => {
    expect(await ledger.insertAll([1, 2])).toBe(2);
    expect(await stored()).toEqual([1, 2]);
  });

  it('rolls all of it back when the method fails', async () => {
    await expect(ledger.insertAll([1, 13])).rejects.toThrow('unlucky');
    expect(await stored()).toEqual([]);
  });

  it('joins, nests and demands as its propagation says', async () => {
    await ledger.outer();
    expect(await stored()).toEqual([1, 2]);
    await failure(ledger.mandatory(), UsageError);
  });

  it('runs the method again after a serialization failure', async () => {
    expect(await ledger.contended()).toBe(3);
    expect(await stored()).toEqual([3]);
  });

  it('takes the named instance, and only that', async () => {
    await expect(ledger.onOther()).rejects.toThrow('unwanted');
    expect(await stored(other)).toEqual([]);
    expect(await stored()).toEqual([1]);
  });

  it('makes a plain method async and keeps its name and what is noted on it', async () => {
    const returned: unknown = ledger.synchronous();
    expect(returned).toBeInstanceOf(Promise);
    expect(await (returned as Promise<string>)).toBe('plain');
    expect(Ledger.prototype.synchronous.name).toBe('synchronous');
    expect(Reflect.getMetadata('kept', Ledger.prototype.synchronous)).toBe('yes');
  });

  it('stands on routes, below or above their decorators', async () => {
    const response = await fetch(`${await app.getUrl()}/ledger`, { method: 'POST' });
    expect(await response.json()).toEqual({ stored: 2 });
    expect(await stored()).toEqual([4, 5]);
  });

  it('says what is missing when Nest has not made the object', async () => {
    const stray = new Ledger(app.get(DatabaseService), app.get(DatabaseService));
    const error = await failure(stray.insertAll([1]), UsageError);
    expect(error.message).toContain('providers');
    expect(() => {
      Transactional()(Ledger.prototype, 'runs', { value: 1 });
    }).toThrow('which is no method');
  });
});
