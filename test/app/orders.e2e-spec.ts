// Orders: what is refused, what repeats, and that nothing is ever spent twice.
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { OrderDto, OrderPageDto } from '../../src/portfolio/order.dto.js';
import type { PortfolioDto, PortfolioValueDto } from '../../src/portfolio/portfolio.dto.js';
import { type Answer, useMarketApp } from './market-app.js';

const market = useMarketApp('orders');

type Refused = OrderDto & { readonly code?: string; readonly message?: string | string[] };

async function open(cash?: string): Promise<string> {
  const { status, body } = await market.post<PortfolioDto>('/portfolios', { name: 'Test', cash });
  expect(status).toBe(201);
  return body.id;
}

const place = (id: string, order: object, key: string = randomUUID()): Promise<Answer<Refused>> =>
  market.post(`/portfolios/${id}/orders`, order, { 'Idempotency-Key': key });

const value = async (id: string): Promise<PortfolioValueDto> =>
  (await market.get<PortfolioValueDto>(`/portfolios/${id}`)).body;

const orders = async (id: string): Promise<OrderDto[]> =>
  (await market.get<OrderPageDto>(`/portfolios/${id}/orders?limit=200`)).body.orders;

const BUY = { symbol: 'MSFT', side: 'buy', quantity: 100 };
const SELL = { ...BUY, side: 'sell' };

describe('a portfolio', () => {
  it('begins with the cash it is given, exactly', async () => {
    const id = await open('0.10');
    expect(await value(id)).toMatchObject({
      name: 'Test',
      cash: '0.10',
      total: '0.10',
      positions: [],
    });
  });

  it.each([
    [{ cash: '1' }, /name must be a string/],
    [{ name: '' }, /name must be longer/],
    [{ name: 'x', cash: 5 }, /cash must be a decimal string/],
    [{ name: 'x', cash: '-5' }, /cash must be a decimal string/],
    [{ name: 'x', cash: '0.001' }, /cash must be a decimal string/],
    [{ name: 'x', id: 'mine' }, /property id should not exist/],
  ])('%j is refused', async (body, message) => {
    const answer = await market.post<{ message: string[] }>('/portfolios', body);
    expect(answer.status).toBe(400);
    expect(String(answer.body.message)).toMatch(message);
  });

  it('that does not exist is not found', async () => {
    const missing = randomUUID();
    expect((await market.get(`/portfolios/${missing}`)).status).toBe(404);
    expect((await market.get(`/portfolios/${missing}/orders`)).status).toBe(404);
    expect((await place(missing, BUY)).status).toBe(404);
    expect((await market.get('/portfolios/17')).status).toBe(400);
  });

  it('that is the newest comes first', async () => {
    const id = await open();
    const { body } = await market.get<PortfolioDto[]>('/portfolios?limit=1');
    expect(body.map((portfolio) => portfolio.id)).toEqual([id]);
  });
});

describe('an order', () => {
  it('moves cash and shares at the latest price', async () => {
    const id = await open('10000');
    const { status, body } = await place(id, { ...BUY, symbol: 'msft' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...BUY,
      price: '28.8',
      priceDay: '2010-03-01',
      amount: '2880.00',
    });
    expect(await value(id)).toMatchObject({
      cash: '7120.00',
      total: '10000.00',
      positions: [{ symbol: 'MSFT', quantity: 100, price: '28.8', value: '2880.00' }],
    });
    expect((await place(id, { ...SELL, quantity: 40 })).status).toBe(201);
    expect(await value(id)).toMatchObject({ cash: '8272.00', positions: [{ quantity: 60 }] });
  });

  it('is dealt at the last price on or before its day', async () => {
    const id = await open();
    const { body } = await place(id, { ...BUY, day: '2008-09-15' });
    // stocks.csv: MSFT,Sep 1 2008,25.78
    expect(body).toMatchObject({ price: '25.78', priceDay: '2008-09-01', amount: '2578.00' });
  });

  it('of the whole cash leaves zero, and one cent less is refused', async () => {
    expect((await place(await open('2880.00'), BUY)).status).toBe(201);
    const poor = await open('2879.99');
    const { status, body } = await place(poor, BUY);
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'INSUFFICIENT_CASH' });
    expect(await value(poor)).toMatchObject({ cash: '2879.99', positions: [] });
    expect(await orders(poor)).toEqual([]);
  });

  it.each([
    [SELL, 422, 'INSUFFICIENT_SHARES'],
    [{ ...BUY, symbol: 'SP500' }, 422, 'NOT_TRADABLE'],
    [{ ...BUY, symbol: 'GOOG', day: '2001-01-01' }, 422, 'NO_PRICE'],
    [{ ...BUY, symbol: 'NOPE' }, 404, undefined],
  ])('%j is refused with %i', async (order, status, code) => {
    const answer = await place(await open(), order);
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  });

  it.each([
    [{ ...BUY, side: 'borrow' }, /side must be one of/],
    [{ ...BUY, quantity: 0 }, /quantity must not be less than 1/],
    [{ ...BUY, quantity: 1.5 }, /quantity must be an integer/],
    [{ ...BUY, quantity: '100' }, /quantity must be an integer/],
    [{ ...BUY, day: '2008-13-01' }, /day must be an existing day/],
    [{ ...BUY, symbol: 7 }, /symbol must be/],
    [{ ...BUY, price: '1.00' }, /property price should not exist/],
  ])('%j is malformed', async (order, message) => {
    const { status, body } = await place(await open(), order);
    expect(status).toBe(400);
    expect(String(body.message)).toMatch(message);
  });

  it.each(['short', 'has spaces in it', 'x'.repeat(101)])(
    'with the key "%s" is malformed',
    async (key) => {
      const { status, body } = await place(await open(), BUY, key);
      expect(status).toBe(400);
      expect(body.message).toMatch(/Idempotency-Key/);
    },
  );

  it('without a key is malformed', async () => {
    const { status } = await market.post(`/portfolios/${await open()}/orders`, BUY);
    expect(status).toBe(400);
  });

  it('beyond the limit of a position is refused', async () => {
    const id = await open();
    await market.database.sql(`insert into positions values ($1, 'MSFT', 999999950)`, [id]);
    const { status, body } = await place(id, BUY);
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'POSITION_LIMIT' });
    expect(await value(id)).toMatchObject({ cash: '100000.00' });
  });
});

describe('an order that cannot be kept', () => {
  it('moves neither cash nor shares: SQL and the repository share one transaction', async () => {
    await market.database.sql('alter table orders add constraint unlucky check (quantity <> 77)');
    const id = await open('10000');
    const { status, body } = await place(id, { ...BUY, quantity: 77 });
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'DB_CHECK_VIOLATION' });
    expect(JSON.stringify(body)).not.toMatch(/unlucky|insert|orders/i);
    expect(await value(id)).toMatchObject({ cash: '10000.00', positions: [] });
    expect(await orders(id)).toEqual([]);
  });
});

describe('a repeated order', () => {
  it('gives the first one and deals once', async () => {
    const id = await open('10000');
    const key = randomUUID();
    const first = await place(id, BUY, key);
    const again = await place(id, BUY, key);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect(await value(id)).toMatchObject({ cash: '7120.00' });
  });

  it('deals once when all repetitions come together', async () => {
    const id = await open('100000');
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => place(id, BUY, key)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await value(id)).toMatchObject({ cash: '97120.00', positions: [{ quantity: 100 }] });
  });

  it('that is another order is a conflict, and the key is free in another portfolio', async () => {
    const id = await open();
    const key = randomUUID();
    await place(id, BUY, key);
    const other = await place(id, { ...BUY, quantity: 101 }, key);
    expect({ status: other.status, code: other.body.code }).toEqual({
      status: 409,
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect((await place(await open(), BUY, key)).status).toBe(201);
  });

  it('after a refusal is a first order', async () => {
    const id = await open();
    const key = randomUUID();
    expect((await place(id, SELL, key)).status).toBe(422);
    await place(id, BUY);
    expect((await place(id, SELL, key)).status).toBe(201);
  });
});

describe('50 orders at once', () => {
  it('never overdraw the cash', async () => {
    const id = await open('10000');
    const answers = await Promise.all(Array.from({ length: 50 }, () => place(id, BUY)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(answers.filter(({ body }) => body.code === 'INSUFFICIENT_CASH')).toHaveLength(47);
    expect(await value(id)).toMatchObject({ cash: '1360.00', positions: [{ quantity: 300 }] });
    expect(await orders(id)).toHaveLength(3);
  });

  it('never sell a share twice', async () => {
    const id = await open('10000');
    await place(id, { ...BUY, quantity: 300 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => place(id, SELL)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(await value(id)).toMatchObject({ cash: '10000.00', positions: [] });
  });

  it('to buy and to sell leave books that balance', async () => {
    const id = await open('20000');
    const wishes = Array.from({ length: 50 }, (_, index) => ({
      symbol: index % 3 === 0 ? 'IBM' : 'MSFT',
      side: index % 2 === 0 ? 'buy' : 'sell',
      quantity: 10 + index,
    }));
    await Promise.all(wishes.map((wish) => place(id, wish)));
    const [books] = await market.database.sql(
      `select (select cash from portfolios where id = $1)
              + sum(case side when 'buy' then amount else -amount end) as "cashAndDeals",
              bool_and(amount = round(price * quantity, 2)) as "amountsFit"
         from orders where portfolio_id = $1`,
      [id],
    );
    expect(books).toEqual({ cashAndDeals: '20000.00', amountsFit: true });
    const shares = await market.database.sql(
      `select coalesce(sum(case side when 'buy' then quantity else -quantity end), 0)::int as kept,
              (select sum(quantity)::int from positions where portfolio_id = $1) as held
         from orders where portfolio_id = $1`,
      [id],
    );
    expect(shares[0]?.['kept']).toBe(shares[0]?.['held']);
  });
});

describe('the orders of a portfolio', () => {
  it('come newest first, in pages', async () => {
    const id = await open();
    for (const quantity of [1, 2, 3]) await place(id, { ...BUY, quantity });
    const path = `/portfolios/${id}/orders?limit=2`;
    const first = (await market.get<OrderPageDto>(path)).body;
    expect(first.orders.map(({ quantity }) => quantity)).toEqual([3, 2]);
    const second = (await market.get<OrderPageDto>(`${path}&before=${first.nextBefore}`)).body;
    expect(second.orders.map(({ quantity }) => quantity)).toEqual([1]);
    expect(second.nextBefore).toBeNull();
  });

  it('do not show the keys of their clients', async () => {
    const id = await open();
    await place(id, BUY);
    const [order] = await orders(id);
    expect(Object.keys(order ?? {}).sort()).toEqual([
      'amount',
      'createdAt',
      'id',
      'portfolioId',
      'price',
      'priceDay',
      'quantity',
      'side',
      'symbol',
    ]);
  });
});
