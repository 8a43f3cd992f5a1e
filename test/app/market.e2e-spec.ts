// Quotes and candles, against the files of the package read by other means.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { CandleDto, CandlePageDto, Interval, QuoteDto } from '../../src/market/market.dto.js';
import { useMarketApp } from './market-app.js';

const market = useMarketApp('market');

interface Day {
  readonly day: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: bigint;
}

const dataDir = join(createRequire(import.meta.url).resolve('vega-datasets'), '../../data');
const DAYS: readonly Day[] = readFileSync(join(dataDir, 'sp500-2000.csv'), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [day = '', open, high, low, close, , volume = ''] = line.split(',');
    const prices = [open, high, low, close].map(Number) as [number, number, number, number];
    return {
      day,
      open: prices[0],
      high: prices[1],
      low: prices[2],
      close: prices[3],
      volume: BigInt(volume),
    };
  });

const STARTS: Readonly<Record<Interval, (day: string) => string>> = {
  day: (day) => day,
  month: (day) => `${day.slice(0, 7)}-01`,
  week: (day) => {
    const date = new Date(`${day}T00:00:00Z`);
    date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
    return date.toISOString().slice(0, 10);
  },
};

/** Candles by a loop over the days; nothing of the app is used. */
function candlesOf(interval: Interval): Array<Record<keyof CandleDto, unknown>> {
  const byStart = new Map<string, Day[]>();
  for (const day of DAYS) {
    const start = STARTS[interval](day.day);
    byStart.set(start, [...(byStart.get(start) ?? []), day]);
  }
  return [...byStart].map(([start, days]) => ({
    start,
    open: days[0]?.open,
    high: Math.max(...days.map(({ high }) => high)),
    low: Math.min(...days.map(({ low }) => low)),
    close: days.at(-1)?.close,
    volume: String(days.reduce((sum, { volume }) => sum + volume, 0n)),
    prices: days.length,
  }));
}

/** Decimal strings as numbers, to be compared with those of the loop. */
function asNumbers(candles: readonly CandleDto[]): unknown[] {
  return candles.map((candle) => ({
    ...candle,
    open: Number(candle.open),
    high: Number(candle.high),
    low: Number(candle.low),
    close: Number(candle.close),
  }));
}

const candles = (query: string) => market.get<CandlePageDto>(`/market/candles/SP500?${query}`);

describe('candles', () => {
  it.each<Interval>(['day', 'week', 'month'])(
    'by %s are those of an independent computation',
    async (interval) => {
      const all: CandleDto[] = [];
      let from: string | null = '2000-01-01';
      while (from !== null) {
        const { body } = await candles(`interval=${interval}&from=${from}&limit=1000`);
        all.push(...body.candles);
        from = body.nextFrom;
      }
      expect(asNumbers(all)).toEqual(candlesOf(interval));
    },
  );

  it('are whole, wherever the range is cut', async () => {
    const { body } = await candles('interval=month&from=2008-09-15&to=2008-10-02');
    const expected = candlesOf('month').filter(({ start }) =>
      ['2008-09-01', '2008-10-01'].includes(start as string),
    );
    expect(asNumbers(body.candles)).toEqual(expected);
    expect(body.nextFrom).toBeNull();
  });

  it('come in pages that neither overlap nor leave out', async () => {
    const first = await candles('interval=week&from=2001-01-01&to=2001-12-31&limit=30');
    const second = await candles(
      `interval=week&from=${first.body.nextFrom}&to=2001-12-31&limit=30`,
    );
    expect(first.body.candles).toHaveLength(30);
    expect(second.body.nextFrom).toBeNull();
    const starts = [...first.body.candles, ...second.body.candles].map(({ start }) => start);
    const expected = candlesOf('week').map(({ start }) => start as string);
    expect(starts).toEqual(
      expected.filter((start) => start >= '2001-01-01' && start <= '2001-12-31'),
    );
  });

  it('of a source with one price a month have that price four times and no volume', async () => {
    const { body } = await market.get<CandlePageDto>('/market/candles/goog?limit=1');
    const price = '102.37';
    expect(body.candles).toEqual([
      {
        start: '2004-08-01',
        open: price,
        high: price,
        low: price,
        close: price,
        volume: null,
        prices: 1,
      },
    ]);
  });

  it('outside of all prices are an empty page', async () => {
    const { status, body } = await candles('from=1990-01-01&to=1990-12-31');
    expect({ status, candles: body.candles, nextFrom: body.nextFrom }).toEqual({
      status: 200,
      candles: [],
      nextFrom: null,
    });
  });

  it.each([
    ['interval=year', 400, /interval must be one of/],
    ['from=2008-02-30', 400, /from must be an existing day/],
    ['to=yesterday', 400, /to must be an existing day/],
    ['limit=0', 400, /limit must not be less than 1/],
    ['limit=1001', 400, /limit must not be greater than 1000/],
    ['limit=ten', 400, /limit must be an integer/],
    ['form=2008-01-01', 400, /property form should not exist/],
    ['from=2009-01-01&to=2008-01-01', 422, /is after/],
  ])('refuse ?%s', async (query, status, message) => {
    const answer = await market.get<{ message: string | string[] }>(
      `/market/candles/SP500?${query}`,
    );
    expect(answer.status).toBe(status);
    expect(String(answer.body.message)).toMatch(message);
  });

  it('finer than the prices are refused', async () => {
    const { status, body } = await market.get<{ message: string }>(
      '/market/candles/MSFT?interval=day',
    );
    expect(status).toBe(422);
    expect(body.message).toMatch(/interval=month/);
  });
});

describe('quotes', () => {
  it('show the last price and the change since the one before', async () => {
    const { body } = await market.get<QuoteDto>('/market/quotes/msft');
    expect(body).toEqual({
      symbol: 'MSFT',
      name: 'Microsoft',
      price: '28.8',
      day: '2010-03-01',
      change: '0.13',
      changePercent: '0.45',
    });
  });

  it('are given for all instruments at once', async () => {
    const { body } = await market.get<QuoteDto[]>('/market/quotes');
    expect(body.map(({ symbol }) => symbol)).toEqual([
      'AAPL',
      'AMZN',
      'GOOG',
      'IBM',
      'MSFT',
      'SP500',
    ]);
    expect(Number(body.at(-1)?.price)).toBe(DAYS.at(-1)?.close);
  });

  it('of an unknown symbol are not found, and of an impossible one refused', async () => {
    expect((await market.get('/market/quotes/NOPE')).status).toBe(404);
    expect((await market.get('/market/candles/NOPE')).status).toBe(404);
    expect((await market.get(`/market/quotes/${encodeURIComponent("X' or 1=1")}`)).status).toBe(
      400,
    );
  });
});

describe('instruments', () => {
  it('tell the span of their prices', async () => {
    const { body } = await market.get<unknown[]>('/market/instruments');
    expect(body).toHaveLength(6);
    expect(body.at(-1)).toEqual({
      symbol: 'SP500',
      name: 'S&P 500',
      kind: 'index',
      resolution: 'day',
      firstDay: '2000-01-03',
      lastDay: '2020-04-17',
      prices: 5_105,
    });
  });
});
